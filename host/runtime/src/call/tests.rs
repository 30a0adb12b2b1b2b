use std::time::Instant;

use super::*;
use crate::engine::{Engine, EngineOptions};
use crate::pack::{Check, pack};
use crate::testing::{NOTIFIER, NUMBERS, REGISTRY, manifest, module, parser, parser_with};

/// Enough for whatever ends by itself, on a busy machine too.
fn patient() -> Limits {
    Limits { deadline: Duration::from_secs(2), ..Limits::default() }
}

struct Bench {
    engine: Engine,
    neighbour: Component,
}

impl Bench {
    async fn new() -> Self {
        let engine = Engine::new(EngineOptions { concurrency: Some(2), ..EngineOptions::default() }).unwrap();
        let neighbour = load(&engine, &parser(NUMBERS), "version-parser", patient()).await;
        Self { engine, neighbour }
    }

    /// Calls a hostile parser three times, with its neighbour before, between and at the same time.
    async fn check(&self, hostile: &[u8], reason: &str, expected: &str) {
        self.check_within(hostile, patient(), reason, expected).await;
    }

    async fn check_within(&self, hostile: &[u8], limits: Limits, reason: &str, expected: &str) {
        let hostile = load(&self.engine, hostile, "version-parser", limits).await;
        for _ in 0..2 {
            let (failure, ()) = tokio::join!(hostile.parse(vec!["1".to_owned(); 3], "{}"), numbers(&self.neighbour));
            let failure = failure.unwrap_err();
            assert_eq!(failure.reason(), reason, "{failure}");
            assert!(failure.to_string().contains(expected), "{failure}");
            numbers(&self.neighbour).await;
        }
    }
}

async fn load(engine: &Engine, module: &[u8], kind: &str, limits: Limits) -> Component {
    let packed = pack(module, Some(manifest(kind, "").as_bytes()), Check::AsTheOperator).unwrap();
    engine.load(packed.component.into(), limits).await.unwrap()
}

/// The healthy neighbour reads numbers.
async fn numbers(parser: &Component) {
    let tags = ["10", "latest", "", "007"].map(str::to_owned).to_vec();
    let versions = parser.parse(tags, "{}").await.unwrap().unwrap();
    let levels: Vec<_> = versions.into_iter().map(|version| version.map(|version| version.levels)).collect();
    assert_eq!(levels, [Some(vec![10]), None, None, Some(vec![7])]);
}

/// The body of a parser whose answer is in static data at 1024.
fn answering(list: usize, length: usize) -> String {
    format!(
        "(i32.store (i32.const 1028) (i32.const {list}))
         (i32.store (i32.const 1032) (i32.const {length}))
         (i32.const 1024)"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_observes_a_component_is_told_of_each_of_its_calls() {
    let engine = Engine::new(EngineOptions { concurrency: Some(2), ..EngineOptions::default() }).unwrap();
    let check = async |module: &[u8], tags: usize, expected: &[&str]| {
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let shared = Arc::clone(&told);
        let observer: CallObserver = Arc::new(move |call: &Call<'_>| {
            let word = match call.end {
                CallEnd::Answered => "answered",
                CallEnd::Refused => "refused",
                CallEnd::Failed(err) => err.reason(),
            };
            shared.lock().unwrap().push((word, call.elapsed));
        });
        let unobserved = load(&engine, module, "version-parser", patient()).await;
        let parser = unobserved.clone().observed_by(observer);
        for parser in [&unobserved, &parser] {
            let _ = parser.parse(vec!["1".to_owned(); tags], "{}").await;
        }
        let told = told.lock().unwrap();
        assert_eq!(told.iter().map(|(word, _)| *word).collect::<Vec<_>>(), expected);
        assert!(
            told.iter().all(|(_, elapsed)| (Duration::from_nanos(1)..patient().timeout).contains(elapsed)),
            "{told:?}"
        );
    };
    check(&parser(NUMBERS), 3, &["answered"]).await;
    check(&parser(NUMBERS), CHUNK + 1, &["answered", "answered"]).await;
    check(&parser("unreachable"), 3, &["Trapped"]).await;
    // An error is a variant of the answer, and this one's text is empty.
    check(&parser("(i32.store8 (i32.const 1024) (i32.const 1)) (i32.const 1024)"), 3, &["refused"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_does_not_end_is_ended() {
    let bench = Bench::new().await;
    let endless = parser("(loop $again (br $again)) (i32.const 0)");
    let start = Instant::now();
    bench
        .check_within(
            &endless,
            Limits::default(),
            "DeadlineExceeded",
            "did not answer within 50 ms; if it needs longer, raise spec.limits.deadline",
        )
        .await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let short = Limits { deadline: Duration::from_millis(5), ..Limits::default() };
    bench.check_within(&endless, short, "DeadlineExceeded", "within 5 ms").await;
    // The same through calls that never return to a loop.
    let calls = parser_with(
        "(type $f (func (result i32))) (func $one (type $f) (return_call $two)) (func $two (type $f) (return_call $one))",
        "(call $one)",
    );
    bench.check_within(&calls, Limits::default(), "DeadlineExceeded", "50 ms").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hungry_guest_gets_no_more_than_its_share() {
    let bench = Bench::new().await;
    // Takes a MiB at a time until there is none, then crashes, as compilers' allocators do.
    let hungry = parser("(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable");
    bench.check(&hungry, "MemoryExceeded", "it wanted more than 65536 KiB of memory; if it needs more, raise").await;
    let little = Limits { memory: 1024 * 1024, ..patient() };
    bench.check_within(&hungry, little, "MemoryExceeded", "1024 KiB").await;
    let table = parser_with(
        "(table $t 1 funcref)",
        "(drop (table.grow $t (ref.null func) (i32.const 99999)))
         (if (i32.eq (table.grow $t (ref.null func) (i32.const 1)) (i32.const -1)) (then unreachable))
         (i32.const 0)",
    );
    bench.check(&table, "TableExceeded", "tables of more than 100000 elements").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_crashes_crashes_alone() {
    let bench = Bench::new().await;
    bench
        .check(&parser("unreachable"), "Trapped", "it crashed: wasm trap: wasm `unreachable` instruction executed")
        .await;
    bench.check(&parser("(i32.div_s (i32.const 1) (i32.const 0))"), "Trapped", "divide by zero").await;
    bench.check(&parser("(i32.load (i32.const -4))"), "Trapped", "out of bounds memory access").await;
    let deep = parser_with("(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))", "(call $deep)");
    bench.check(&deep, "StackExceeded", "its functions call each other too deeply").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_too_large_is_not_copied() {
    let bench = Bench::new().await;
    // A list of 1 GiB, most of which is not there.
    bench.check(&parser(&answering(0, 1024 * 1024 * 1024 / 48)), "ContractBroken", "out of bounds of memory").await;
    // 1 GiB that is there: 1,024 versions, all with the same flavor of 1 MiB.
    let same = "(local $entry i32) (local $left i32)
        (local.set $entry (call $alloc (i32.const 8) (i32.const 49152)))
        (i32.store (i32.const 1028) (local.get $entry))
        (i32.store (i32.const 1032) (i32.const 1024))
        (local.set $left (i32.const 1024))
        (drop (call $alloc (i32.const 1) (i32.const 1048576)))
        (loop $each
            (i32.store8 (local.get $entry) (i32.const 1))
            (i32.store offset=36 (local.get $entry) (i32.const 65536))
            (i32.store offset=40 (local.get $entry) (i32.const 1048576))
            (local.set $entry (i32.add (local.get $entry) (i32.const 48)))
            (br_if $each (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.const 1024)";
    bench.check(&parser(same), "OutputTooLarge", "its answer takes more than 32768 KiB").await;
    let little = Limits { output: 4096, ..patient() };
    bench.check_within(&parser(same), little, "OutputTooLarge", "4 KiB").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_the_contract_is_refused() {
    let bench = Bench::new().await;
    bench.check(&parser(&answering(2048, 2)), "ContractBroken", "it answered 3 tags with 2 versions").await;
    bench.check(&parser(&answering(2048, 4)), "ContractBroken", "it answered 3 tags with 4 versions").await;
    bench.check(&parser("(i32.const 3)"), "ContractBroken", "it broke its contract: ").await;
    // Neither "ok" nor "error".
    let neither = parser("(i32.store8 (i32.const 1024) (i32.const 7)) (i32.const 1024)");
    bench.check(&neither, "ContractBroken", "discriminant").await;
    // A flavor that is not UTF-8.
    let garbled = parser(&format!(
        "(i32.store8 (i32.const 1016) (i32.const 255))
         (i32.store8 (i32.const 2048) (i32.const 1))
         (i32.store (i32.const 2084) (i32.const 1016))
         (i32.store (i32.const 2088) (i32.const 1))
         {}",
        answering(2048, 3)
    ));
    bench.check(&garbled, "ContractBroken", "utf-8").await;
    // 17 levels.
    let many = parser(&format!(
        "(i32.store8 (i32.const 2048) (i32.const 1))
         (i32.store (i32.const 2064) (i32.const 512))
         (i32.store (i32.const 2068) (i32.const 17))
         {}",
        answering(2048, 3)
    ));
    bench.check(&many, "ContractBroken", "it gave 17 levels of a version, and 16 are allowed").await;
}

#[tokio::test]
async fn nothing_is_left_from_one_call_to_the_next() {
    let bench = Bench::new().await;
    // Answers properly once, and crashes if it finds what the first call left.
    let forgetful = format!(
        "(if (i32.load (i32.const 900)) (then unreachable)) (i32.store (i32.const 900) (i32.const 1)) {}",
        answering(2048, 1)
    );
    let forgetful = load(&bench.engine, &parser(&forgetful), "version-parser", Limits::default()).await;
    for _ in 0..10 {
        assert_eq!(forgetful.parse(vec!["1".to_owned()], "{}").await.unwrap().unwrap(), [None]);
    }
}

#[tokio::test]
async fn many_tags_are_read_in_order_and_no_tags_are_asked_about_too() {
    let bench = Bench::new().await;
    let tags: Vec<String> = (0..=2 * CHUNK).map(|number| number.to_string()).collect();
    let versions = bench.neighbour.parse(tags, "{}").await.unwrap().unwrap();
    assert_eq!(versions.len(), 2 * CHUNK + 1);
    assert!(versions.iter().zip(0..).all(|(version, number)| version.as_ref().unwrap().levels == [number]));
    assert_eq!(bench.neighbour.parse(vec![], "{}").await.unwrap().unwrap(), []);
    // "error", with the settings as its text.
    let complaining = parser(
        "(i32.store8 (i32.const 1024) (i32.const 1))
         (i32.store (i32.const 1028) (local.get $settings))
         (i32.store (i32.const 1032) (local.get $length))
         (i32.const 1024)",
    );
    let complaining = load(&bench.engine, &complaining, "version-parser", Limits::default()).await;
    assert_eq!(complaining.parse(vec![], "{\"a\": 1}").await.unwrap(), Err("{\"a\": 1}".to_owned()));
}

#[tokio::test]
async fn a_conversation_goes_back_and_forth() {
    let bench = Bench::new().await;
    let registry = load(&bench.engine, &module("registry-plugin", REGISTRY), "registry", Limits::default()).await;
    let repository = Repository { registry: "r".to_owned(), name: "n".to_owned() };
    let next = async |replies| {
        let answer = registry.registry_next(repository.clone(), Question::Tags(None), "{}", vec![1, 2], replies).await;
        answer.unwrap().unwrap()
    };
    let first = next(vec![]).await;
    assert_eq!((first.tags.len(), first.actions.len()), (0, 1));
    let crate::wit::exchange::Action::Http(request) = &first.actions[0] else { panic!("{:?}", first.actions) };
    assert_eq!((request.method.as_str(), request.url.as_str()), ("GET", "https://r/tags"));
    let second = next(vec![Reply::Mailed]).await;
    assert_eq!((second.tags[0].name.as_str(), second.actions.len()), ("1.0", 0));

    let wrong = registry.parse(vec![], "{}").await.unwrap_err();
    assert_eq!(wrong.to_string(), "it is a registry plugin and was asked as a version-parser plugin");
    let wrong = bench.neighbour.registry_next(repository, Question::Tags(None), "{}", vec![], vec![]).await;
    assert_eq!(wrong.unwrap_err().reason(), "PluginOfWrongKind");
}

#[tokio::test]
async fn a_notice_is_delivered() {
    let bench = Bench::new().await;
    let notifier = load(&bench.engine, &module("notifier-plugin", NOTIFIER), "notifier", Limits::default()).await;
    let text = String::new;
    let notice = Notice {
        kind: "updated".to_owned(),
        level: "info".to_owned(),
        handler: text(),
        namespace: text(),
        workload: text(),
        container: text(),
        image: text(),
        from: text(),
        to: text(),
        newest: text(),
        link: text(),
        title: text(),
        text: text(),
        command: text(),
        answers: vec![],
        time: 0,
        key: text(),
    };
    let step = notifier.notifier_next(notice, "{}", vec![], vec![]).await.unwrap().unwrap();
    assert!(step.actions.is_empty() && step.state.is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn a_slow_call_does_not_hold_up_the_runtime_and_many_share_few_places() {
    let bench = Bench::new().await;
    let endless =
        load(&bench.engine, &parser("(loop $again (br $again)) (i32.const 0)"), "version-parser", Limits::default())
            .await;
    let calls: Vec<_> = (0..6)
        .map(|_| {
            tokio::spawn({
                let endless = endless.clone();
                async move { endless.parse(vec![], "{}").await.unwrap_err().reason() }
            })
        })
        .collect();
    // One thread runs all futures. The calls take 150 ms in two places; were the thread not free, all would be over by now.
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(calls.iter().any(|call| !call.is_finished()));
    for call in calls {
        assert_eq!(call.await.unwrap(), "DeadlineExceeded");
    }
    numbers(&bench.neighbour).await;
}

#[tokio::test]
async fn whoever_calls_does_not_wait_for_a_host_that_hangs() {
    let bench = Bench::new().await;
    let limits = Limits { deadline: Duration::from_millis(1), timeout: Duration::from_millis(10), ..Limits::default() };
    let component = Component::new(Arc::clone(&bench.neighbour.loaded), limits);
    let (release, hung) = std::sync::mpsc::channel::<()>();
    let hanging = component.call(move |_, _| {
        let _ = hung.recv();
        Ok(())
    });
    let failure = hanging.await.0.unwrap_err();
    assert_eq!(failure, CallError::TimedOut { timeout: Duration::from_millis(10) });
    // The place is taken until the call has really ended; the other place works.
    assert_eq!(bench.engine.inner.places.available_permits(), 1);
    numbers(&bench.neighbour).await;
    drop(release);
    while bench.engine.inner.places.available_permits() != 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
