//! Random cases, each on a database of its own: how many there are, and what is said of one that fails.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

/// So many cases, and at most so many steps to make one smaller that fails; it is shown, and not kept.
pub(crate) fn config(cases: u32, max_shrink_iters: u32) -> Config {
    Config { cases, failure_persistence: None, max_shrink_iters, ..Config::default() }
}

/// Runs as many cases as the configuration says, or as many as the variable `PROPTEST_CASES` asks for.
pub(crate) fn check<S: Strategy>(config: Config, cases: &S, run: impl Fn(S::Value) -> TestCaseResult) {
    let asked = std::env::var_os("PROPTEST_CASES").map(|_| Config::default().cases);
    let config = Config { cases: asked.unwrap_or(config.cases), ..config };
    if let Err(error) = TestRunner::new(config).run(cases, run) {
        panic!("{error}");
    }
}

/// A test for each backend, with as many cases as it runs through in some ten seconds. The function takes their number, and
/// what is done with each.
macro_rules! on_databases {
    ($check:path; $($backend:ident: $cases:literal),+) => { $(
        #[test]
        fn $backend() {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            $check($cases, |case| runtime.block_on(async {
                let database = crate::support::database::$backend::create().await;
                case.run(&*database).await
            }));
        }
    )+ };
}
pub(crate) use on_databases;
