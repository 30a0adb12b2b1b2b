//! The plugin manifest, `plugin.json`: what a plugin is and what it asks for. Documentation only; the operator reads and checks it.
//!
//! [`export!`](macro@crate::export) embeds it as the custom section `k8supdater:manifest`, so that it travels with the bytes, under one digest, and
//! can be read without running anything.
//!
//! ```json
//! {
//!   "name": "registry-example",
//!   "version": "0.1.0",
//!   "kind": "registry",
//!   "description": "Lists tags by the API of example.com",
//!   "license": "Apache-2.0",
//!   "settings": {
//!     "type": "object",
//!     "additionalProperties": false,
//!     "properties": {"pageSize": {"type": "integer", "minimum": 1, "maximum": 100, "default": 100}}
//!   },
//!   "origins": [{"origin": "https://api.example.com", "reason": "lists the tags"}],
//!   "slots": [{"name": "token", "scheme": "bearer"}],
//!   "examples": []
//! }
//! ```
//!
//! | field | what it is |
//! |---|---|
//! | `name` | lower-case letters, digits and, within, `-`, at most 50; kind first: `registry-`, `version-`, `notify-` |
//! | `version` | of the plugin, as in its Cargo.toml |
//! | `kind` | `registry`, `version-parser` or `notifier`; must agree with the interface that the component exports |
//! | `description` | one line for people |
//! | `license` | an SPDX expression |
//! | `settings` | JSON Schema of the settings, an object; `default`s of its own properties are filled in before the plugin sees them. Without it there are no settings |
//! | `origins` | scheme, host and port of everything it wants to talk to, each with a `reason` for whoever grants it; `$registry` is the registry of the image in question. Where a setting says whom to talk to, `{"setting": "baseUrl", "reason": "…"}` asks for the origin of the URL in that setting, which has to be a property of type string; the cluster's administrator grants each such origin |
//! | `slots` | credentials that its requests name, each with a `name`, a `scheme` and perhaps a `description`; the cluster's administrator binds a secret to a slot |
//! | `examples` | at most 64 inputs with their expected outputs; all of them must come out before the operator lets the plugin serve |
//!
//! `origins` and `slots` have at most 32 entries and may be left out, the whole has at most 256 KiB, and unknown fields are refused.
//!
//! The `scheme` of a slot is `basic`, `bearer`, `oci-token`, `url` (the secret replaces `{slot:name}` in a URL),
//! `{"header": "private-token"}` for a header whose whole value is the secret, or `{"hmac-sha256": "x-signature"}` for one whose value is `sha256=`
//! and the HMAC-SHA256 of the body in hexadecimal digits, with the secret as the key. Where an API gives a short-lived token for user name and
//! password, it is `{"login": {"path": "/v2/auth/token", "username": "identifier", "password": "secret", "token": "access_token"}}`: the host
//! POSTs a JSON object with the fields `identifier` and `secret` to that path, on the origin that the request goes to, and sends the request
//! with what it finds in `access_token` of the answer as a bearer token. It logs in again before the token runs out, and once on a 401; a
//! login that is refused is the reply to the request, as a 401 or 403 without a body.
//!
//! # Examples
//!
//! Every example has a `name`, and `settings` if they are not `{}`. The rest depends on the kind. Unknown fields are refused.
//!
//! **`version-parser`**: `tags`, with one entry of `versions` for each: null, or an object of `levels` and, where they are not 0, false
//! and empty, `epoch`, `prerelease` and `flavor`; `tail` (hexadecimal) is compared only if given. `ascending` lists tags that must all be
//! versions, each less than the next. `error` instead of these: a part of the expected error.
//!
//! ```json
//! {"name": "flavor", "tags": ["3.2.1-alpine", "latest"], "versions": [{"levels": [3, 2, 1], "flavor": "-alpine"}, null], "ascending": ["9.0", "10.0"]}
//! ```
//!
//! **`registry`**: `repository` (`registry`, `name`), `question` (`{"tags": null}`, or a checkpoint as a list of bytes in place of null, or
//! `{"tag": "1.0"}`, or `{"images": "1.0"}`), and `exchanges` in the order in which the plugin asks: a `request` (`method`, `url`, `credential`, all of
//! which are compared; `body` as text or `json`, of which one is compared if it is given; headers are not) with a `response` (`status`, `headers` in lower case, and `body` as text or `json`) or a
//! `failure` (`denied`, `timeout`, `connect`, `tls`, `too-large`, `mail`, `other`). The outcome is `tags` (`name`, `digest`,
//! `pushed`, `images` with `digest`, `os`, `architecture`, `variant`, and `source`) in the order in which the plugin hands them over, or `error`: the case of the error, as the WIT spells it.
//!
//! ```json
//! {
//!   "name": "one page",
//!   "repository": {"registry": "example.com", "name": "team/app"},
//!   "question": {"tags": null},
//!   "exchanges": [{
//!     "request": {"method": "GET", "url": "https://api.example.com/team/app", "credential": "token"},
//!     "response": {"status": 200, "json": ["1.0"]}
//!   }],
//!   "tags": [{"name": "1.0"}]
//! }
//! ```
//!
//! **`notifier`**: `notice` (its fields as in the WIT; absent ones are empty), `exchanges` and `error` as for a registry. In place of a
//! `request`, an exchange may have a `mail` (`to`, `subject`, and `text` and `html`, which are compared if they are given), which is sent
//! unless there is a `failure`.
//!
//! ```json
//! {
//!   "name": "a mail to one person",
//!   "settings": {"recipients": ["ops@example.com"]},
//!   "notice": {"title": "web was updated"},
//!   "exchanges": [{"mail": {"to": ["ops@example.com"], "subject": "web was updated"}}]
//! }
//! ```
