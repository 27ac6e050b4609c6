"""From a study's own tables, described by `cohort.toml`, to validated patients and outcomes."""
