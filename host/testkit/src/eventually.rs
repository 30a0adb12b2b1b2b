//! Waiting for something that others bring about.

use std::time::Duration;

use tokio::time::Instant;

/// How long a test waits for something that takes a second on an idle machine. Two cores carry a control plane, two operators and
/// their compilers at the same time.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks until `probe` is content, at most for `patience`.
///
/// # Errors
/// With what `probe` said last.
pub async fn eventually<T>(patience: Duration, mut probe: impl AsyncFnMut() -> Result<T, String>) -> Result<T, String> {
    let deadline = Instant::now() + patience;
    loop {
        match probe().await {
            Ok(value) => return Ok(value),
            Err(last) if Instant::now() >= deadline => return Err(last),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_word_is_what_is_reported() {
        let mut count = 0;
        let result: Result<(), _> = eventually(Duration::from_millis(150), async || {
            count += 1;
            Err(format!("look {count}"))
        })
        .await;
        assert_eq!(result, Err(format!("look {count}")));
        assert!(count >= 2);
    }
}
