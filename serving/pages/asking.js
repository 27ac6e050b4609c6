// Asks the service. What comes back is either an answer or a refusal that says what to do.

const SECONDS_TO_WAIT = 65; // a little longer than the service lets a request take
const SENDABLE_KEY = /^[\x21-\x7e]*$/;

const refusal = (message, problems = []) => ({ refusal: { message, problems } });
const aboutKey = (message, problem) =>
  refusal(message, [{ field: "key", problem, allowed: "" }]);

function bodyOf({ record, quality, file }) {
  if (!file) {
    return { headers: { "Content-Type": "application/json" }, body: JSON.stringify(record) };
  }
  const body = new FormData();
  body.append("patient", JSON.stringify(record));
  body.append("connectome", file);
  if (Object.keys(quality).length) {
    body.append("quality", JSON.stringify(quality));
  }
  return { headers: {}, body };
}

function refused(status, content, key, file) {
  const error = content?.error;
  if (status === 401) {
    return key
      ? aboutKey("The service does not know this access key.", "is not accepted")
      : aboutKey("The service answers only those with an access key.", "is needed");
  }
  if (!error) {
    return refusal(`The service did not answer (status ${status}); try again later.`);
  }
  if (status === 403 && error.code === "forbidden") {
    return aboutKey(error.message, "may not ask for predictions");
  }
  const aboutFile = error.code === "invalid_connectome" || (status === 413 && file);
  if (aboutFile && !error.fields.length) {
    return refusal("The file of the connectome cannot be used; nothing was predicted.", [
      { field: "connectome", problem: error.message.replace(/\.$/, ""), allowed: "" },
    ]);
  }
  return refusal(error.message, error.fields);
}

// Returns a response or a refusal; the key goes in a header, where no address or log repeats it.
async function call(path, { headers, ...request }, key, file = null) {
  if (!SENDABLE_KEY.test(key)) {
    return aboutKey("The access key was not sent.", "holds a character that no key has");
  }
  try {
    const response = await fetch(path, {
      ...request,
      headers: key ? { ...headers, Authorization: `Bearer ${key}` } : headers,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(1000 * SECONDS_TO_WAIT),
    });
    if (response.ok) {
      return { response };
    }
    return refused(response.status, await response.json().catch(() => null), key, file);
  } catch (error) {
    return refusal(
      error.name === "TimeoutError"
        ? "The service took too long to answer; try again."
        : "The service cannot be reached; look at the connection and try again.",
    );
  }
}

export async function ask(asked, key) {
  const request = { method: "POST", ...bodyOf(asked) };
  const called = await call("predict", request, key, asked.file);
  if (called.refusal) {
    return called;
  }
  const answer = await called.response.json().catch(() => null);
  return answer ? { answer } : refusal("The answer of the service cannot be read; try again.");
}

// A link brings no key along; what it leads to is fetched with it and handed over as a file.
export async function download(address, key) {
  const called = await call(address, { method: "GET", headers: {} }, key);
  if (called.refusal) {
    return called;
  }
  const content = await called.response.blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = content.type.includes("html") ? "model-card.html" : "model-card.json";
  link.click();
  URL.revokeObjectURL(link.href);
  return {};
}
