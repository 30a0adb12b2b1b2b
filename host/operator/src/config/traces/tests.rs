use super::*;

const ENDPOINT: &str = "http://collector:4318";

/// What comes of these values, with an endpoint.
fn check(set: impl FnOnce(&mut TraceFlags)) -> Result<Option<Traces>, String> {
    let mut flags = TraceFlags { otel_exporter_otlp_endpoint: Some(ENDPOINT.to_owned()), ..TraceFlags::default() };
    set(&mut flags);
    flags.check().map_err(|err| err.to_string())
}

fn exported(set: impl FnOnce(&mut TraceFlags)) -> Traces {
    check(set).unwrap().unwrap()
}

#[test]
fn without_an_endpoint_nothing_is_exported() {
    assert_eq!(TraceFlags::default().check(), Ok(None));
    for empty in ["", " "] {
        assert_eq!(check(|flags| flags.otel_exporter_otlp_endpoint = Some(empty.to_owned())), Ok(None));
    }
}

#[test]
fn the_defaults_are_those_of_the_standard() {
    let expected = Traces {
        endpoint: Url::parse("http://collector:4318/v1/traces").unwrap(),
        headers: Vec::new(),
        timeout: Duration::from_secs(10),
        authorities: None,
        is_compressed: false,
        service: "k8supdater".to_owned(),
        attributes: Vec::new(),
        sampling: Sampling { follows_parent: true, ratio: 1.0 },
        delay: Duration::from_secs(5),
        queue: 2_048,
        batch: 512,
    };
    assert_eq!(exported(|_| {}), expected);
    let with_empty = exported(|flags| {
        let empty = || Some(" ".to_owned());
        *flags = TraceFlags {
            otel_sdk_disabled: empty(),
            otel_traces_exporter: empty(),
            otel_exporter_otlp_endpoint: flags.otel_exporter_otlp_endpoint.take(),
            otel_exporter_otlp_traces_endpoint: empty(),
            otel_exporter_otlp_protocol: empty(),
            otel_exporter_otlp_traces_protocol: empty(),
            otel_exporter_otlp_headers: secret("").ok(),
            otel_exporter_otlp_traces_headers: secret(" ").ok(),
            otel_exporter_otlp_timeout: empty(),
            otel_exporter_otlp_traces_timeout: empty(),
            otel_exporter_otlp_certificate: Some(PathBuf::new()),
            otel_exporter_otlp_traces_certificate: Some(PathBuf::new()),
            otel_exporter_otlp_compression: empty(),
            otel_exporter_otlp_traces_compression: empty(),
            otel_service_name: empty(),
            otel_resource_attributes: empty(),
            otel_traces_sampler: empty(),
            otel_traces_sampler_arg: empty(),
            otel_bsp_schedule_delay: empty(),
            otel_bsp_export_timeout: empty(),
            otel_bsp_max_queue_size: empty(),
            otel_bsp_max_export_batch_size: empty(),
        };
    });
    assert_eq!(with_empty, expected, "empty means unset");
}

#[test]
fn traces_are_turned_off_by_two_variables() {
    let off = |disabled: &str, exporter: &str| {
        check(|flags| {
            flags.otel_sdk_disabled = Some(disabled.to_owned());
            flags.otel_traces_exporter = Some(exporter.to_owned());
        })
        .unwrap()
        .is_none()
    };
    for (disabled, exporter, expected) in
        [("true", "otlp", true), ("TRUE", "", true), ("false", "none", true), ("false", "otlp", false), ("", "", false)]
    {
        assert_eq!(off(disabled, exporter), expected, "{disabled:?} {exporter:?}");
    }
}

#[test]
fn an_endpoint_for_all_is_a_base_and_one_for_traces_is_the_whole() {
    let endpoint = |all: &str, traces: &str| {
        let traces = exported(|flags| {
            flags.otel_exporter_otlp_endpoint = Some(all.to_owned());
            flags.otel_exporter_otlp_traces_endpoint = Some(traces.to_owned());
        });
        traces.endpoint.to_string()
    };
    for (all, traces, expected) in [
        ("http://a:4318", "", "http://a:4318/v1/traces"),
        ("http://a:4318/", "", "http://a:4318/v1/traces"),
        ("https://a/otlp", "", "https://a/otlp/v1/traces"),
        ("https://a/otlp/", "", "https://a/otlp/v1/traces"),
        ("http://a:4318", "https://b/api/traces?key=x", "https://b/api/traces?key=x"),
        ("", "http://b:4318", "http://b:4318/"),
    ] {
        assert_eq!(endpoint(all, traces), expected, "{all} {traces}");
    }
}

#[test]
fn headers_and_attributes_are_percent_encoded_pairs() {
    let traces = exported(|flags| {
        flags.otel_exporter_otlp_headers = secret("authorization=Basic%20dXNlcjpwYXNz, x-scope=a=b ,").ok();
        flags.otel_resource_attributes = Some("service.name=other,team=web%2Cshop,empty=".to_owned());
    });
    let headers: Vec<_> = traces.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(headers, [("authorization", "Basic dXNlcjpwYXNz"), ("x-scope", "a=b")]);
    assert!(!format!("{traces:?}").contains("dXNlcjpwYXNz"), "{traces:?}");
    let pairs: Vec<_> = traces.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("team", "web,shop"), ("empty", "")]);
    assert_eq!(traces.service, "other");
    let named = exported(|flags| {
        flags.otel_service_name = Some("updater".to_owned());
        flags.otel_resource_attributes = Some("service.name=other".to_owned());
    });
    assert_eq!((named.service.as_str(), named.attributes), ("updater", Vec::new()));
}

#[test]
fn what_is_said_for_traces_comes_before_what_is_said_for_all() {
    let traces = exported(|flags| {
        flags.otel_exporter_otlp_headers = secret("a=all").ok();
        flags.otel_exporter_otlp_traces_headers = secret("a=traces").ok();
        flags.otel_exporter_otlp_timeout = Some("1".to_owned());
        flags.otel_exporter_otlp_traces_timeout = Some("2000".to_owned());
        flags.otel_exporter_otlp_compression = Some("none".to_owned());
        flags.otel_exporter_otlp_traces_compression = Some("gzip".to_owned());
        flags.otel_exporter_otlp_certificate = Some(PathBuf::from("/all"));
        flags.otel_exporter_otlp_traces_certificate = Some(PathBuf::from("/traces"));
    });
    assert_eq!((traces.headers[0].1.expose(), traces.headers.len()), ("traces", 1));
    assert_eq!((traces.timeout, traces.is_compressed), (Duration::from_secs(2), true));
    assert_eq!(traces.authorities, Some(PathBuf::from("/traces")));
    let shorter = exported(|flags| flags.otel_bsp_export_timeout = Some("300".to_owned()));
    assert_eq!(shorter.timeout, Duration::from_millis(300), "the shorter time counts");
}

#[test]
fn each_sampler_of_the_standard_that_needs_nobody_else_is_known() {
    let check = |sampler: &str, argument: &str, follows_parent: bool, ratio: f64| {
        let traces = exported(|flags| {
            flags.otel_traces_sampler = Some(sampler.to_owned());
            flags.otel_traces_sampler_arg = Some(argument.to_owned());
        });
        assert_eq!(traces.sampling, Sampling { follows_parent, ratio }, "{sampler} {argument}");
    };
    check("", "0.5", true, 1.0);
    check("always_on", "0.5", false, 1.0);
    check("always_off", "", false, 0.0);
    check("traceidratio", "0.25", false, 0.25);
    check("traceidratio", "", false, 1.0);
    check("parentbased_always_on", "", true, 1.0);
    check("parentbased_always_off", "", true, 0.0);
    check("parentbased_traceidratio", "0", true, 0.0);
}

#[test]
fn spans_wait_within_bounds() {
    let traces = exported(|flags| {
        flags.otel_bsp_schedule_delay = Some("250".to_owned());
        flags.otel_bsp_max_queue_size = Some("100".to_owned());
    });
    assert_eq!((traces.delay, traces.queue, traces.batch), (Duration::from_millis(250), 100, 100));
    let batch = exported(|flags| flags.otel_bsp_max_export_batch_size = Some("2048".to_owned()));
    assert_eq!((batch.queue, batch.batch), (2_048, 2_048));
}

type Set = fn(&mut TraceFlags) -> &mut Option<String>;

/// Variable, flag, what is allowed, and values that are not.
const WRONG: [(Set, &str, &str, &str, &[&str]); 14] = [
    (|it| &mut it.otel_sdk_disabled, "OTEL_SDK_DISABLED", "--otel-sdk-disabled", "true or false", &["1", "yes"]),
    (
        |it| &mut it.otel_traces_exporter,
        "OTEL_TRACES_EXPORTER",
        "--otel-traces-exporter",
        "otlp or none",
        &["console", "otlp,console", "zipkin"],
    ),
    (
        |it| &mut it.otel_exporter_otlp_protocol,
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "--otel-exporter-otlp-protocol",
        "http/protobuf, the one protocol that traces are exported by",
        &["grpc", "http/json"],
    ),
    (
        |it| &mut it.otel_exporter_otlp_traces_protocol,
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "--otel-exporter-otlp-traces-protocol",
        "http/protobuf, the one protocol that traces are exported by",
        &["grpc"],
    ),
    (
        |it| &mut it.otel_exporter_otlp_endpoint,
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "--otel-exporter-otlp-endpoint",
        "a URL such as http://collector:4318, without user or query; a login goes into OTEL_EXPORTER_OTLP_HEADERS",
        &["collector:4318", "grpc://collector", "/v1/traces"],
    ),
    (
        |it| &mut it.otel_exporter_otlp_traces_endpoint,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "--otel-exporter-otlp-traces-endpoint",
        "a URL such as http://collector:4318/v1/traces, without user; a login goes into OTEL_EXPORTER_OTLP_HEADERS",
        &["collector:4318", "https://a#b"],
    ),
    (
        |it| &mut it.otel_exporter_otlp_timeout,
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "--otel-exporter-otlp-timeout",
        "whole milliseconds from 1 to 600000",
        &["0", "-1", "10s", "600001"],
    ),
    (
        |it| &mut it.otel_exporter_otlp_compression,
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "--otel-exporter-otlp-compression",
        "gzip or none",
        &["zstd"],
    ),
    (
        |it| &mut it.otel_resource_attributes,
        "OTEL_RESOURCE_ATTRIBUTES",
        "--otel-resource-attributes",
        "attributes such as deployment.environment.name=prod,team=web",
        &["team", "=web", "team=%FF"],
    ),
    (
        |it| &mut it.otel_traces_sampler,
        "OTEL_TRACES_SAMPLER",
        "--otel-traces-sampler",
        "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio",
        &["jaeger_remote", "xray", "parentbased_jaeger_remote", "on"],
    ),
    (
        |it| &mut it.otel_traces_sampler_arg,
        "OTEL_TRACES_SAMPLER_ARG",
        "--otel-traces-sampler-arg",
        "a number from 0 to 1",
        &["1.1", "-0.1", "NaN", "10%"],
    ),
    (
        |it| &mut it.otel_bsp_schedule_delay,
        "OTEL_BSP_SCHEDULE_DELAY",
        "--otel-bsp-schedule-delay",
        "whole milliseconds from 1 to 3600000",
        &["0", "5s"],
    ),
    (
        |it| &mut it.otel_bsp_max_queue_size,
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "--otel-bsp-max-queue-size",
        "a whole number from 1 to 65536",
        &["0", "65537", "many"],
    ),
    (
        |it| &mut it.otel_bsp_max_export_batch_size,
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        "--otel-bsp-max-export-batch-size",
        "a whole number from 1 to OTEL_BSP_MAX_QUEUE_SIZE",
        &["0", "2049"],
    ),
];

#[test]
fn a_wrong_value_is_shown_with_what_is_allowed() {
    for (field, variable, flag, expected, values) in WRONG {
        for value in values {
            let err = check(|flags| *field(flags) = Some((*value).to_owned())).unwrap_err();
            assert_eq!(err, format!("{variable} (or {flag}) is {value:?}, expected {expected}"));
        }
    }
    let off = check(|flags| {
        flags.otel_sdk_disabled = Some("true".to_owned());
        flags.otel_bsp_export_timeout = Some("soon".to_owned());
    });
    assert!(off.unwrap_err().starts_with("OTEL_BSP_EXPORT_TIMEOUT"), "wrong values count even if traces are off");
}

#[test]
fn a_wrong_value_that_may_be_secret_is_not_shown() {
    let check = |set: &dyn Fn(&mut TraceFlags), variable: &str| {
        let err = check(set).unwrap_err();
        assert!(err.starts_with(variable) && err.contains("has a value that is not shown"), "{err}");
        assert!(!err.contains("canary"), "{err}");
    };
    for headers in ["canary", "=canary", "a b=canary", "a=canary%0Ax", "a=b,canary", "a=%FFcanary"] {
        check(&|flags| flags.otel_exporter_otlp_headers = secret(headers).ok(), "OTEL_EXPORTER_OTLP_HEADERS");
        check(
            &|flags| flags.otel_exporter_otlp_traces_headers = secret(headers).ok(),
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        );
    }
    for url in ["https://me:canary@a", "https://a?key=canary", "ftp://a?canary"] {
        check(&|flags| flags.otel_exporter_otlp_endpoint = Some(url.to_owned()), "OTEL_EXPORTER_OTLP_ENDPOINT");
    }
    for url in ["https://me:canary@a/v1/traces", "a?canary"] {
        check(
            &|flags| flags.otel_exporter_otlp_traces_endpoint = Some(url.to_owned()),
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        );
    }
}
