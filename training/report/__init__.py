"""The report for reviewers: explanations, pictures, words and tables in one offline file."""
