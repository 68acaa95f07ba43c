//! The plan, the deed, the proof that all else is untouched, and the way back.

use harness::store::CLUSTER;

use crate::stand::Stand;

#[test]
fn without_yes_the_plan_is_shown_and_nothing_is_changed() {
    let stand = Stand::new();
    let before = stand.picture();
    let shown = stand.wipe(&[]).run().unwrap().success();
    println!("{}\n----\n{}", shown.stdout, shown.stderr);
    assert_eq!(stand.picture(), before);
}

#[test]
fn masters_go_volumes_are_hidden_and_all_else_is_untouched() {
    let stand = Stand::new();
    let before = stand.picture();
    let ended = stand.wipe_yes(&[]).run().unwrap();
    println!("{}\n----\n{}", ended.stdout, ended.stderr);
    let _ = ended.success().stdout_has("the control plane is wiped");
    let masters = stand.masters();
    let ids: Vec<&str> = masters.iter().map(String::as_str).collect();
    let after = stand.picture();
    println!("{:#?}", after.0);
    assert!(stand.journals()[0]["finished"].is_string());
    assert_eq!(after.without(ids.iter().copied()), before.without(ids.iter().copied()));
    let _ = CLUSTER;
}
