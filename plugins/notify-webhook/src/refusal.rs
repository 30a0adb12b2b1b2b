//! What an answer means.

use k8supdater_plugin::text::one_line;
use k8supdater_plugin::{Error, HttpResponse, refusal};

/// Longest quotation of an answer, in characters.
const LONGEST_QUOTE: usize = 160;

/// Makes sure that the notice was taken, which every 2xx says.
///
/// # Errors
///
/// Why it was not.
pub(crate) fn check(response: &HttpResponse) -> Result<(), Error> {
    let status = response.status;
    match status {
        200..=299 => Ok(()),
        301 | 302 | 303 | 307 | 308 => {
            let target = one_line(response.header("location").unwrap_or("nowhere"), LONGEST_QUOTE);
            Err(Error::Other(format!("the webhook has moved to {target}; set url to where it is now")))
        }
        // Gone for good: Slack says so of a channel that was archived.
        410 => Err(Error::NotFound),
        401 | 403 | 404 | 408 | 429 | 500..=599 => Err(refusal::error(response, None)),
        _ => {
            let says = one_line(&String::from_utf8_lossy(&response.body), LONGEST_QUOTE);
            Err(Error::Other(format!("the webhook refused the notice with status {status}: {says}")))
        }
    }
}
