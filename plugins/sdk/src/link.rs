//! Places that an answer points at: the next page in `link`, another address in `location`, or a URL in the body.
//!
//! All are followed within one origin only. The host would refuse the rest anyway, and a listing that silently ended there would be
//! taken for a whole one, so it is an error.

use crate::exchange::{Error, HttpResponse};
use crate::text::one_line;

/// Where the next page of a listing is, by its link of relation `next` (RFC 8288); None on the last one.
///
/// Only the query is taken from the link. The path stays that of the page before, because a registry behind a proxy often does not know
/// its own path (Artifactory leaves out `/v2/` and its repository).
///
/// # Errors
///
/// [`Error::InvalidReply`] if the link leads to another origin, or cannot be read.
pub fn next_page(response: &HttpResponse, current: &str) -> Result<Option<String>, Error> {
    for header in response.header_values("link") {
        for link in links(header) {
            let (target, parameters) =
                link.ok_or_else(|| Error::InvalidReply(format!("a link that has no end: {}", one_line(header, 100))))?;
            if parameters.iter().any(|parameter| is_rel_next(parameter)) {
                let target = resolve(current, target)?;
                let path = current.split('?').next().unwrap_or_default();
                let query = target.split_once('?').map_or("", |(_, query)| query);
                return Ok(Some(format!("{path}?{query}")));
            }
        }
    }
    Ok(None)
}

/// Where a redirect leads.
///
/// # Errors
///
/// [`Error::InvalidReply`] if it leads to another origin, or nowhere.
pub fn redirect(response: &HttpResponse, current: &str) -> Result<String, Error> {
    let location = response.header("location");
    let location = location.ok_or_else(|| Error::InvalidReply(format!("redirect {} to nowhere", response.status)))?;
    resolve(current, location)
}

/// The links of one header, each a target and its parameters (RFC 8288 section 3); None for one that has no end.
///
/// Also without angle brackets, as Quay writes them.
fn links(header: &str) -> Vec<Option<(&str, Vec<&str>)>> {
    let mut links = Vec::new();
    let mut rest = header.trim_start_matches(is_between_links);
    while !rest.is_empty() {
        let target;
        (target, rest) = match rest.strip_prefix('<').map(|bracketed| bracketed.split_once('>')) {
            Some(Some(split)) => split,
            Some(None) => {
                links.push(None);
                return links;
            }
            None => rest.split_at(rest.find([';', ',']).unwrap_or(rest.len())),
        };
        let end = end_of_parameters(rest);
        let (parameters, following) = rest.split_at(end);
        links.push(Some((target.trim(), parameters.split(';').map(str::trim).collect())));
        rest = following.trim_start_matches(is_between_links);
    }
    links
}

fn is_between_links(character: char) -> bool {
    character == ',' || character.is_whitespace()
}

/// Where the first comma outside quotes is, or the end.
fn end_of_parameters(text: &str) -> usize {
    let mut is_quoted = false;
    let comma = text.find(|character| {
        is_quoted ^= character == '"';
        character == ',' && !is_quoted
    });
    comma.unwrap_or(text.len())
}

fn is_rel_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let mut relations = value.trim().trim_matches('"').split_whitespace();
    name.trim().eq_ignore_ascii_case("rel") && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
}

/// `reference`, absolute or relative, as seen from `base` (RFC 3986 section 5), without its fragment. The result begins with the
/// origin of `base`, letter by letter.
///
/// # Errors
///
/// [`Error::InvalidReply`] if it leads to another origin, or is no URL.
pub fn resolve(base: &str, reference: &str) -> Result<String, Error> {
    let refused = |why: &str| Err(Error::InvalidReply(format!("{why}: {}", one_line(reference, 100))));
    let (origin, path) = split_origin(base).unwrap_or((base, ""));
    let reference = reference.split('#').next().unwrap_or_default();
    // A URL parser takes `\` for `/` and drops tabs and line ends, so none of them may come as far as one.
    if reference.contains(|character: char| character == '\\' || character.is_whitespace() || character.is_control()) {
        return refused("a link that is not a URL");
    }
    let path = path.split('?').next().unwrap_or_default();
    let directory = path.rfind('/').and_then(|slash| path.get(..slash)).unwrap_or_default();
    if reference.starts_with("//") {
        return refused("a link to another origin");
    } else if reference.starts_with('/') {
        return Ok(format!("{origin}{reference}"));
    } else if reference.starts_with('?') {
        return Ok(format!("{origin}{path}{reference}"));
    } else if !has_scheme(reference) {
        return Ok(format!("{origin}{directory}/{reference}"));
    }
    match split_origin(reference) {
        Some((other, path)) if normal_origin(other) == normal_origin(origin) => Ok(format!("{origin}{path}")),
        _ => refused("a link to another origin"),
    }
}

/// Whether a colon comes before everything that could only be part of a path.
fn has_scheme(reference: &str) -> bool {
    reference.split(['/', '?']).next().is_some_and(|first| first.contains(':'))
}

/// Scheme and authority; path and query. None if `url` is not absolute.
fn split_origin(url: &str) -> Option<(&str, &str)> {
    let authority = url.find("://")? + 3;
    let length = url.get(authority..)?.find(['/', '?']).unwrap_or(url.len() - authority);
    url.split_at_checked(authority + length)
}

/// Lower case, without the port that the scheme implies.
fn normal_origin(origin: &str) -> String {
    let origin = origin.to_ascii_lowercase();
    let default_port = if origin.starts_with("https:") { ":443" } else { ":80" };
    origin.strip_suffix(default_port).unwrap_or(&origin).to_owned()
}

#[cfg(test)]
mod tests;
