//! The KV engine, both versions.

use super::{Answer, State, Version, envelope, failure};
use serde_json::{Value, json};

const CREATED: &str = "2026-01-01T00:00:00.000000001Z";

impl State {
    pub(super) fn kv1(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        match method {
            "GET" => match self.secrets.get(path).and_then(|versions| versions.last()) {
                Some(version) => envelope(version.data.clone(), Value::Null),
                None => failure(404, &[]),
            },
            "POST" | "PUT" => {
                self.secrets.insert(path.to_owned(), vec![Version { data: body.clone(), ..Version::default() }]);
                (204, Value::Null, None)
            }
            "DELETE" => {
                self.secrets.remove(path);
                (204, Value::Null, None)
            }
            "LIST" => self.names(path),
            _ => failure(405, &["unsupported operation"]),
        }
    }

    pub(super) fn kv2(&mut self, method: &str, path: &str, query: &str, body: &Value) -> Answer {
        let (kind, path) = path.split_once('/').unwrap_or((path, ""));
        match (method, kind) {
            ("GET", "config") => {
                envelope(json!({ "max_versions": 0, "cas_required": false, "delete_version_after": "0s" }), Value::Null)
            }
            ("GET", "data") => self.read(path, query),
            ("POST" | "PUT", "data") => self.write(path, body),
            ("DELETE", "data") => {
                if let Some(version) = self.secrets.get_mut(path).and_then(|versions| versions.last_mut()) {
                    version.deleted = true;
                }
                (204, Value::Null, None)
            }
            ("POST" | "PUT", "delete" | "undelete" | "destroy") => {
                let numbers: Vec<u64> =
                    body["versions"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
                for (at, version) in self.secrets.get_mut(path).into_iter().flatten().enumerate() {
                    if numbers.contains(&(at as u64 + 1)) {
                        match kind {
                            "destroy" => (version.destroyed, version.data) = (true, Value::Null),
                            _ => version.deleted = kind == "delete",
                        }
                    }
                }
                (204, Value::Null, None)
            }
            ("GET", "metadata") => self.metadata(path),
            ("LIST", "metadata") => self.names(path),
            ("DELETE", "metadata") => {
                self.secrets.remove(path);
                (204, Value::Null, None)
            }
            (_, "data" | "metadata" | "config" | "delete" | "undelete" | "destroy") => {
                failure(405, &["unsupported operation"])
            }
            // A request in the manner of version 1.
            _ => failure(404, &["Invalid path for a versioned K/V secrets engine"]),
        }
    }

    fn read(&self, path: &str, query: &str) -> Answer {
        let versions = self.secrets.get(path).map(Vec::as_slice).unwrap_or_default();
        let asked = query.strip_prefix("version=").and_then(|text| text.parse().ok()).unwrap_or(0);
        let number = if asked == 0 { versions.len() } else { asked };
        let Some(version) = number.checked_sub(1).and_then(|at| versions.get(at)) else { return failure(404, &[]) };
        let mut metadata = about(version);
        metadata["version"] = json!(number);
        metadata["custom_metadata"] = Value::Null;
        if version.deleted || version.destroyed {
            let (_, body, _) = envelope(json!({ "data": null, "metadata": metadata }), Value::Null);
            return (404, body, None);
        }
        envelope(json!({ "data": version.data, "metadata": metadata }), Value::Null)
    }

    fn write(&mut self, path: &str, body: &Value) -> Answer {
        let versions = self.secrets.entry(path.to_owned()).or_default();
        let number = versions.len();
        let cas = &body["options"]["cas"];
        if !cas.is_null() && *cas != number {
            return failure(400, &["check-and-set parameter did not match the current version"]);
        }
        let version = Version { data: body["data"].clone(), ..Version::default() };
        let mut written = about(&version);
        written["version"] = json!(number + 1);
        versions.push(version);
        envelope(written, Value::Null)
    }

    fn metadata(&self, path: &str) -> Answer {
        let Some(versions) = self.secrets.get(path).filter(|versions| !versions.is_empty()) else {
            return failure(404, &[]);
        };
        let listed: serde_json::Map<String, Value> =
            versions.iter().enumerate().map(|(at, version)| ((at + 1).to_string(), about(version))).collect();
        let data = json!({ "cas_required": false, "created_time": CREATED, "updated_time": CREATED,
            "current_version": versions.len(), "oldest_version": 1, "max_versions": 0, "delete_version_after": "0s",
            "custom_metadata": null, "versions": listed });
        envelope(data, Value::Null)
    }

    /// One level below a folder; folders end in a slash.
    fn names(&self, folder: &str) -> Answer {
        let folder = folder.trim_end_matches('/');
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let below = self.secrets.keys().filter_map(|path| path.strip_prefix(&folder));
        let mut names: Vec<String> = below
            .map(|rest| rest.split_once('/').map_or_else(|| rest.to_owned(), |(first, _)| format!("{first}/")))
            .collect();
        names.dedup();
        if names.is_empty() { failure(404, &[]) } else { envelope(json!({ "keys": names }), Value::Null) }
    }
}

fn about(version: &Version) -> Value {
    json!({ "created_time": CREATED, "deletion_time": if version.deleted { "2026-01-02T00:00:00Z" } else { "" },
        "destroyed": version.destroyed })
}
