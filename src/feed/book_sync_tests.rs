use super::*;
use crate::domain::{Price, Qty};
use proptest::prelude::*;

fn head(first_id: u64, last_id: u64) -> UpdateHead {
    UpdateHead { first_id, last_id, ts_event_ns: 0 }
}

/// Lets one held diff through.
fn next(sync: &mut BookSync) -> Option<UpdateHead> {
    let (head, _, _) = sync.front()?;
    sync.pop();
    Some(head)
}

/// Feeds diffs, then a snapshot, then diffs; each with the answer that is expected.
struct Case {
    name: &'static str,
    before: &'static [(u64, u64, OnUpdate)],
    snapshot: u64,
    verdict: OnSnapshot,
    /// Last ids of the held diffs that are let through.
    through: &'static [u64],
    after: &'static [(u64, u64, OnUpdate)],
}

#[test]
fn the_procedure_follows_its_table() {
    use OnUpdate::{Apply, Gap, Held, Stale};
    let cases = [
        Case {
            name: "held diffs that the snapshot contains are dropped, the rest continue it",
            before: &[(10, 12, Held), (13, 15, Held), (16, 20, Held)],
            snapshot: 14,
            verdict: OnSnapshot::Use { stale: 1 },
            through: &[15, 20],
            after: &[(21, 21, Apply), (22, 30, Apply)],
        },
        Case {
            name: "a snapshot that ends where the first diff begins",
            before: &[(10, 12, Held)],
            snapshot: 9,
            verdict: OnSnapshot::Use { stale: 0 },
            through: &[12],
            after: &[(13, 13, Apply)],
        },
        Case {
            name: "a snapshot older than the first diff is refused, and the diffs still wait",
            before: &[(10, 12, Held)],
            snapshot: 8,
            verdict: OnSnapshot::TooOld,
            through: &[],
            after: &[(13, 14, Held)],
        },
        Case {
            name: "a snapshot before any diff",
            before: &[],
            snapshot: 50,
            verdict: OnSnapshot::Use { stale: 0 },
            through: &[],
            after: &[(40, 45, Stale), (46, 50, Stale), (48, 52, Apply), (53, 53, Apply)],
        },
        Case {
            name: "a snapshot newer than everything held",
            before: &[(10, 12, Held), (13, 15, Held)],
            snapshot: 20,
            verdict: OnSnapshot::Use { stale: 2 },
            through: &[],
            after: &[(16, 20, Stale), (21, 22, Apply)],
        },
        Case {
            name: "a live diff that skips an id begins the book again",
            before: &[],
            snapshot: 5,
            verdict: OnSnapshot::Use { stale: 0 },
            through: &[],
            after: &[(6, 7, Apply), (9, 9, Gap), (10, 10, Held), (10, 10, Stale)],
        },
        Case {
            name: "held diffs with a hole between them begin again at the later one",
            before: &[(10, 12, Held), (14, 15, Gap), (16, 16, Held)],
            snapshot: 13,
            verdict: OnSnapshot::Use { stale: 0 },
            through: &[15, 16],
            after: &[(17, 17, Apply)],
        },
        Case {
            name: "a doubled diff counts once",
            before: &[(10, 12, Held), (10, 12, Stale)],
            snapshot: 11,
            verdict: OnSnapshot::Use { stale: 0 },
            through: &[12],
            after: &[(10, 12, Stale), (13, 13, Apply), (13, 13, Stale)],
        },
    ];
    for case in cases {
        let mut sync = BookSync::new();
        for (first, last, want) in case.before {
            assert_eq!(sync.on_update(head(*first, *last), &[], &[], false), *want, "{}: {first}", case.name);
        }
        assert_eq!(sync.on_snapshot(case.snapshot), case.verdict, "{}", case.name);
        let mut through = Vec::new();
        while let Some(head) = next(&mut sync) {
            through.push(head.last_id);
        }
        assert_eq!(through, case.through, "{}", case.name);
        assert_eq!(sync.is_live(), case.verdict != OnSnapshot::TooOld, "{}", case.name);
        for (first, last, want) in case.after {
            assert_eq!(sync.on_update(head(*first, *last), &[], &[], false), *want, "{}: {first}", case.name);
        }
    }
}

#[test]
fn diffs_that_come_while_held_ones_go_through_go_behind_them() {
    let mut sync = BookSync::new();
    sync.on_update(head(1, 2), &[], &[], false);
    sync.on_update(head(3, 4), &[], &[], false);
    assert_eq!(sync.on_snapshot(0), OnSnapshot::Use { stale: 0 });
    assert_eq!(next(&mut sync).map(|head| head.last_id), Some(2));
    assert_eq!(sync.on_update(head(5, 6), &[], &[], false), OnUpdate::Held);
    assert_eq!(sync.on_snapshot(9), OnSnapshot::Unwanted);
    assert_eq!(next(&mut sync).map(|head| head.last_id), Some(4));
    assert_eq!(next(&mut sync).map(|head| head.last_id), Some(6));
    assert_eq!(next(&mut sync), None);
    assert_eq!(sync.on_update(head(7, 7), &[], &[], false), OnUpdate::Apply);
    assert_eq!(sync.on_snapshot(9), OnSnapshot::Unwanted);
}

#[test]
fn a_full_buffer_says_so_before_and_begins_again_after() {
    let mut sync = BookSync::new();
    for n in 0..HELD_UPDATES_MAX as u64 {
        assert!(sync.has_room(0));
        assert_eq!(sync.on_update(head(n, n), &[], &[], false), OnUpdate::Held);
    }
    assert!(!sync.has_room(0));
    let next = HELD_UPDATES_MAX as u64;
    assert_eq!(sync.on_update(head(next, next), &[], &[], false), OnUpdate::Overflow);
    assert!(sync.has_room(HELD_LEVELS_MAX));
    let level = Level { px: Price(1), qty: Qty(1) };
    let many = vec![level; HELD_LEVELS_MAX];
    assert_eq!(sync.on_update(head(1, 1), &many, &[], false), OnUpdate::Held);
    assert!(!sync.has_room(1));
    assert_eq!(sync.on_update(head(2, 2), &[level], &[], false), OnUpdate::Overflow);
    assert_eq!(sync.on_update(head(3, 3), &[level], &[], false), OnUpdate::Held);
}

proptest! {
    /// Whatever is lost, doubled or late: what is let through continues the snapshot without a hole and without an
    /// update twice, and carries its own levels.
    #[test]
    fn only_a_whole_chain_goes_through(
        sizes in prop::collection::vec(1u64..4, 1..60),
        faults in prop::collection::vec(0u8..12, 60),
        snapshots in prop::collection::vec((0usize..60, 0u64..12), 1..8),
    ) {
        let mut sync = BookSync::new();
        let mut chain: Option<u64> = None;
        let mut next = 100u64;
        let continues = |chain: &mut Option<u64>, head: UpdateHead, bids: &[Level], asks: &[Level]| {
            let id = chain.expect("nothing goes through before a snapshot");
            assert!(head.first_id <= id + 1 && id < head.last_id, "{head:?} after {id}");
            assert_eq!(bids, [Level { px: Price(head.last_id as i64), qty: Qty(1) }]);
            assert_eq!(asks, [Level { px: Price(head.first_id as i64), qty: Qty(2) }]);
            *chain = Some(head.last_id);
        };
        for (at, size) in sizes.iter().enumerate() {
            let update = head(next, next + size - 1);
            next += size;
            let bids = [Level { px: Price(update.last_id as i64), qty: Qty(1) }];
            let asks = [Level { px: Price(update.first_id as i64), qty: Qty(2) }];
            let times = match faults[at] { 0 => 0, 1 => 2, _ => 1 };
            for _ in 0..times {
                match sync.on_update(update, &bids, &asks, false) {
                    OnUpdate::Apply => continues(&mut chain, update, &bids, &asks),
                    OnUpdate::Gap | OnUpdate::Overflow => chain = None,
                    OnUpdate::Held | OnUpdate::Stale => {}
                    OnUpdate::Ahead => unreachable!("no other connection is waited for"),
                }
            }
            for (_, age) in snapshots.iter().filter(|(when, _)| *when == at) {
                let id = (next - 1).saturating_sub(*age);
                if let OnSnapshot::Use { .. } = sync.on_snapshot(id) {
                    chain = Some(id);
                    while let Some((head, bids, asks)) = sync.front() {
                        continues(&mut chain, head, bids, asks);
                        sync.pop();
                    }
                    prop_assert!(sync.is_live());
                }
            }
        }
    }
}
