use super::*;

fn check(set: impl FnOnce(&mut RawConfig)) -> Result<Config, String> {
    let mut raw = RawConfig::default();
    set(&mut raw);
    raw.check().map_err(|err| err.to_string())
}

#[test]
fn defaults_hold_without_any_setting() {
    let config = check(|_| {}).unwrap();
    assert_eq!(config.namespace, "k8supdater");
    assert!(config.watch_namespaces.is_empty());
    assert_eq!(config.interval, Duration::from_mins(10));
    assert_eq!(config.frontier, Frontier::new(1).unwrap());
    assert_eq!(config.health_address.port(), 8080);
    assert_eq!(config.log_format, LogFormat::Text);
    assert_eq!((config.latest, config.gitlab), (LatestPreference::Notify, GitLab::default()));
    assert_eq!((config.email, config.telegram), (None, None));
    assert_eq!((config.minimum_age, config.delay_between_updates), (Duration::ZERO, Duration::ZERO));
    assert_eq!(config.rollback, Rollback::Never);
}

#[test]
fn empty_means_unset() {
    let config = check(|raw| {
        raw.interval = Some(String::new());
        raw.frontier = Some("  ".to_owned());
        raw.namespace = Some(String::new());
        raw.cache_dir = Some(PathBuf::new());
        raw.proxy = Some(String::new());
        raw.latest = Some(String::new());
        raw.minimum_age = Some(String::new());
        raw.delay_between_updates = Some(" ".to_owned());
        raw.rollback = Some(String::new());
        raw.gitlab_base_url = Some(" ".to_owned());
        raw.gitlab_token = Some(Secret::new(String::new()));
        raw.gitlab_project = Some(String::new());
    })
    .unwrap();
    assert_eq!(config.interval, Duration::from_mins(10));
    assert_eq!(config.frontier, Frontier::new(1).unwrap());
    assert_eq!((config.cache_dir, config.proxy), (None, None));
    assert_eq!((config.latest, config.gitlab), (LatestPreference::Notify, GitLab::default()));
    assert_eq!((config.minimum_age, config.delay_between_updates), (Duration::ZERO, Duration::ZERO));
    assert_eq!(config.rollback, Rollback::Never);
}

#[test]
fn refresh_frequency_takes_seconds_and_durations_within_bounds() {
    for (given, expected) in [("30", 30), ("43200", 43_200), ("90s", 90), ("1h30m", 5_400), ("720h", 2_592_000)] {
        let config = check(|raw| raw.interval = Some(given.to_owned())).unwrap();
        assert_eq!(config.interval, Duration::from_secs(expected), "{given}");
    }
    for given in ["0", "-5", "0.5s", "721h", "soon", "-10m"] {
        let err = check(|raw| raw.interval = Some(given.to_owned())).unwrap_err();
        assert_eq!(
            err,
            format!(
                "REFRESH_FREQUENCY_IN_SECONDS (or --interval) is {given:?}, expected whole seconds from 1 to 2592000, or a duration from 1s to 720h such as 10m"
            )
        );
    }
}

#[test]
fn versions_frontier_reads_a_negative_number_as_zero() {
    for (given, expected) in [("-1", 0), ("0", 0), ("2", 2), ("16", 16)] {
        let config = check(|raw| raw.frontier = Some(given.to_owned())).unwrap();
        assert_eq!(config.frontier, Frontier::new(expected).unwrap(), "{given}");
    }
    for given in ["17", "two", "1.5"] {
        let err = check(|raw| raw.frontier = Some(given.to_owned())).unwrap_err();
        assert_eq!(err, format!("VERSIONS_FRONTIER (or --frontier) is {given:?}, expected a whole number up to 16"));
    }
}

#[test]
fn latest_preference_is_a_truth_value() {
    for (given, expected) in
        [("true", LatestPreference::Update), ("True", LatestPreference::Update), ("false", LatestPreference::Notify)]
    {
        let config = check(|raw| raw.latest = Some(given.to_owned())).unwrap();
        assert_eq!(config.latest, expected, "{given}");
    }
    for given in ["yes", "1", "Update"] {
        let err = check(|raw| raw.latest = Some(given.to_owned())).unwrap_err();
        let expected = format!(
            "LATEST_PREFERENCE (or --latest) is {given:?}, expected true, which restarts, or false, which reports"
        );
        assert_eq!(err, expected);
    }
}

#[test]
fn patience_is_at_most_a_year() {
    for (given, expected) in [("0s", 0), ("72h", 259_200), ("1h30m", 5_400), ("8760h", 31_536_000)] {
        let config = check(|raw| {
            raw.minimum_age = Some(given.to_owned());
            raw.delay_between_updates = Some(given.to_owned());
        })
        .unwrap();
        let expected = Duration::from_secs(expected);
        assert_eq!((config.minimum_age, config.delay_between_updates), (expected, expected), "{given}");
    }
    for given in ["72", "-1h", "8761h", "3d"] {
        let age = check(|raw| raw.minimum_age = Some(given.to_owned())).unwrap_err();
        let names = "K8SUPDATER_MINIMUM_AGE (or --minimum-age)";
        assert_eq!(age, format!("{names} is {given:?}, expected a duration from 0s to 8760h, such as 72h"));
        let delay = check(|raw| raw.delay_between_updates = Some(given.to_owned())).unwrap_err();
        let names = "K8SUPDATER_DELAY_BETWEEN_UPDATES (or --delay-between-updates)";
        assert_eq!(delay, format!("{names} is {given:?}, expected a duration from 0s to 8760h, such as 24h"));
    }
}

#[test]
fn rollback_is_on_failure_or_never() {
    for (given, expected) in [("OnFailure", Rollback::OnFailure), (" Never ", Rollback::Never)] {
        let config = check(|raw| raw.rollback = Some(given.to_owned())).unwrap();
        assert_eq!(config.rollback, expected, "{given}");
    }
    for given in ["true", "onfailure", "Always"] {
        let err = check(|raw| raw.rollback = Some(given.to_owned())).unwrap_err();
        let expected = "expected OnFailure, which puts the image before back, or Never, which does not";
        assert_eq!(err, format!("K8SUPDATER_ROLLBACK (or --rollback) is {given:?}, {expected}"));
    }
}

#[test]
fn gitlab_is_an_address_a_token_and_a_project_each_of_which_may_be_missing() {
    let config = check(|raw| {
        raw.gitlab_base_url = Some("https://gitlab.tools:8443/dev/".to_owned());
        raw.gitlab_token = Some(secret(" canary ").unwrap());
        raw.gitlab_project = Some("42".to_owned());
    })
    .unwrap();
    let origin = Origin::parse("https://gitlab.tools:8443").unwrap();
    assert_eq!(config.gitlab.base_url, Some(("https://gitlab.tools:8443/dev".to_owned(), origin)));
    assert_eq!(config.gitlab.token.as_ref().map(Secret::expose), Some("canary"));
    assert_eq!(config.gitlab.project.as_deref(), Some("42"));
    assert!(!format!("{config:?}").contains("canary"), "{config:?}");
    for given in ["gitlab.com", "ftp://gitlab.com", "https://me:x@gitlab.com", "https://a/api/v4/", "https://a?b"] {
        let err = check(|raw| raw.gitlab_base_url = Some(given.to_owned())).unwrap_err();
        let expected = "a URL such as https://gitlab.example.com, without user, query or /api/v4";
        let shown = given.replace("me:x", "[redacted]");
        assert_eq!(err, format!("GITLAB_BASE_URL (or --gitlab-base-url) is {shown:?}, expected {expected}"));
    }
    for given in ["a//b", "../x", "/"] {
        let err = check(|raw| raw.gitlab_project = Some(given.to_owned())).unwrap_err();
        assert!(err.starts_with("GITLAB_PROJECT_ID (or --gitlab-project) is"), "{err}");
    }
}

#[test]
fn every_other_knob_turns_and_refuses_nonsense() {
    let config = check(|raw| {
        raw.namespace = Some("ops".to_owned());
        raw.watch_namespaces = Some("b, a,b".to_owned());
        raw.failing_after = Some("30s".to_owned());
        raw.concurrency = Some("4".to_owned());
        raw.max_rollouts = Some("200".to_owned());
        raw.health_address = Some("127.0.0.1:9".to_owned());
        raw.proxy = Some("http://proxy:3128".to_owned());
        raw.log = Some("warn,k8supdater=trace".to_owned());
        raw.log_format = Some("json".to_owned());
        raw.instance = Some("pod-1".to_owned());
        raw.ca_file = Some("ca.pem".into());
        raw.cache_key_file = Some("key".into());
    })
    .unwrap();
    assert_eq!(config.namespace, "ops");
    assert_eq!(config.watch_namespaces, ["a", "b"]);
    assert_eq!(config.failing_after, Duration::from_secs(30));
    assert_eq!((config.concurrency, config.max_rollouts, config.health_address.port()), (4, 200, 9));
    assert_eq!((config.log.as_str(), config.log_format), ("warn,k8supdater=trace", LogFormat::Json));
    assert_eq!(config.instance, "pod-1");
    assert_eq!((config.ca_file, config.cache_key_file), (Some("ca.pem".into()), Some("key".into())));
    let refused: [fn(&mut RawConfig); 9] = [
        |raw| raw.failing_after = Some("25h".to_owned()),
        |raw| raw.failing_after = Some("-1s".to_owned()),
        |raw| raw.namespace = Some("Not-A-Namespace".to_owned()),
        |raw| raw.watch_namespaces = Some("a,-b".to_owned()),
        |raw| raw.concurrency = Some("0".to_owned()),
        |raw| raw.max_rollouts = Some("10001".to_owned()),
        |raw| raw.health_address = Some("8080".to_owned()),
        |raw| raw.proxy = Some("proxy:3128".to_owned()),
        |raw| raw.log_format = Some("xml".to_owned()),
    ];
    for set in refused {
        assert!(check(set).unwrap_err().contains("expected"));
    }
}
