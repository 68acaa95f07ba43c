//! `kubectl etcd-restore` on real masters: kubelet, containerd, sshd, kube-apiserver and etcd in namespaces of this machine. One cluster is started and shared by all the tests, which run in
//! their order; so this binary brings its own harness.
#![allow(
    unused_must_use,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "these are tests: the checks panic by themselves, what they give is for chaining, and what they print is their report"
)]

mod audit;
mod bad_days;
mod left_behind;
mod logs;
mod restart_etcd;
mod restart_kubelet;
mod story;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use support::plugins;
use support::real_masters::{act_if_asked, namespaces};
use world::World;

type Test = (&'static str, fn(&mut World));

/// In the order in which they are run: the last ones take masters away.
const TESTS: [Test; 14] = [
    (
        "restart_etcd::one_pods_container_is_ended_by_ctr_and_kubelets_next_one_is_seen",
        restart_etcd::one_pod_only,
    ),
    (
        "audit::certificates_of_api_servers_are_seen_by_the_handshake_of_443",
        audit::certificates,
    ),
    (
        "restart_kubelet::api_servers_that_kept_running_through_a_restore_are_restarted",
        restart_kubelet::through_a_restore,
    ),
    (
        "restart_etcd::crictl_is_used_where_a_master_has_it",
        restart_etcd::by_crictl,
    ),
    (
        "restart_etcd::members_answer_by_port_forward_through_kubelet",
        restart_etcd::port_forward,
    ),
    (
        "logs::three_masters_are_merged_across_a_new_container_and_a_rotation",
        logs::merged,
    ),
    (
        "bad_days::a_pod_that_kubelet_backs_off_from_is_said_with_its_time",
        bad_days::back_off,
    ),
    (
        "bad_days::a_kubelet_that_is_dead_starts_no_container_again",
        bad_days::kubelet_is_dead,
    ),
    (
        "bad_days::a_full_disk_is_named_where_a_container_is_not_started_again",
        bad_days::disk_is_full,
    ),
    (
        "bad_days::a_containerd_that_hangs_is_an_error_in_time",
        bad_days::containerd_hangs,
    ),
    (
        "bad_days::an_sshd_that_refuses_does_not_stop_the_others",
        bad_days::sshd_refuses,
    ),
    (
        "bad_days::one_of_three_is_down_and_the_others_go_on",
        bad_days::one_is_down,
    ),
    (
        "bad_days::a_kubelet_that_lives_is_seen_by_an_operator_whose_clock_is_wrong",
        bad_days::clocks_differ,
    ),
    (
        "story::broken_masters_are_wiped_made_anew_restored_and_cleaned_up",
        story::from_broken_masters_and_back,
    ),
];

/// What has to be there, beside root and the kernel's consent.
const COMPONENTS: [&str; 8] = [
    "etcd",
    "etcd-3.5",
    "kube-apiserver",
    "kubelet",
    "containerd",
    "crictl",
    "sshd",
    "moto",
];

fn main() -> ExitCode {
    if let Some(ended) = act_if_asked() {
        return ended;
    }
    let words: Vec<String> = env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        for (name, _) in TESTS {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    match (namespaces::within(), words.first().map(String::as_str)) {
        (true, Some(left_behind::HOLD)) => left_behind::hold(),
        (true, _) => run_within(&words),
        (false, Some(left_behind::HOLD)) => left_behind::enter_and_hold(),
        (false, _) => run(&words),
    }
}

fn chosen(words: &[String]) -> Vec<Test> {
    let filters: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let asked = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    TESTS.into_iter().filter(|(name, _)| asked(name)).collect()
}

fn run(words: &[String]) -> ExitCode {
    if chosen(words).is_empty() {
        return ExitCode::SUCCESS;
    }
    let refusal = namespaces::refusal();
    let (reason, forgiven) = match &refusal {
        Some(refusal) => (Some(refusal.to_string()), refusal.is_the_kernels()),
        None => {
            let missing = COMPONENTS
                .iter()
                .find_map(|name| support::components::ensure(name).err());
            (missing.map(|error| error.to_string()), false)
        }
    };
    if let Some(reason) = reason {
        for (name, _) in chosen(words) {
            println!("test {name} ... ignored, {reason}");
        }
        let ci = env::var("CI").is_ok_and(|value| value == "true");
        return if ci && !forgiven {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        };
    }
    // Within there is no way out to a registry, which cargo may ask.
    plugins::beside_this_test().unwrap();
    let own = env::current_exe().unwrap();
    let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    let within = namespaces::enter(&own, &arguments).unwrap();
    let left = [
        (
            "left_behind::nothing_is_left_after_the_tests",
            left_behind::by_the_tests as fn(),
        ),
        (
            "left_behind::nothing_is_left_by_a_harness_that_was_killed",
            left_behind::by_a_kill,
        ),
    ];
    let begun = Instant::now();
    let failed = left.iter().filter(|(name, test)| !passes(name, test)).count();
    tell_result(left.len() - failed, failed, begun);
    if within.success() && failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run_within(words: &[String]) -> ExitCode {
    let begun = Instant::now();
    let mut world = World::new();
    println!("the masters run after {:.0?}", begun.elapsed());
    if !passes("world::three_masters_come_up_and_register", || world.come_up()) {
        world.show();
        return ExitCode::FAILURE;
    }
    let mut failed = 0;
    let tests = chosen(words);
    for (name, test) in &tests {
        if !passes(name, || test(&mut world)) {
            failed += 1;
            world.show();
        }
    }
    tell_result(tests.len() + 1 - failed, failed, begun);
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// As the usual harness ends, which is what counts tests.
fn tell_result(passed: usize, failed: usize, begun: Instant) {
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out; finished in {seconds:.2}s\n"
    );
}

fn passes(name: &str, test: impl FnOnce()) -> bool {
    let begun = Instant::now();
    let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
    println!(
        "test {name} ... {} ({:.1?})",
        if passed { "ok" } else { "FAILED" },
        begun.elapsed()
    );
    passed
}
