//! The stamps along each order's way, from the journal's records, and from them the latency of each stage.

use crate::core::event::{Body, Event};
use crate::domain::{ExecType, Nanos, OrderId};
use crate::telemetry::{Stage, Stages};
use std::collections::BTreeMap;

/// Orders on their way that are followed; beyond it the oldest is no longer.
const WAYS_MAX: usize = 4_096;

/// One order's stamps; 0 where there is none (yet).
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    received: Nanos,
    decided: Nanos,
    written: Nanos,
    acked: Nanos,
    filled: Nanos,
}

/// The orders whose way is not at its end.
#[derive(Debug, Default)]
pub(super) struct Ways(BTreeMap<OrderId, Way>);

impl Ways {
    /// An order was decided on by `event`. Where that came from a socket, the way from there is known.
    pub fn on_place(&mut self, order: OrderId, event: &Event, decided: Nanos, stages: &mut Stages) {
        stages.record(Stage::ReceivedToDecoded, event.recv_ns, event.decoded_ns);
        stages.record(Stage::DecodedToTaken, event.decoded_ns, event.ts_ns);
        stages.record(Stage::TakenToDecided, event.ts_ns, decided);
        if self.0.len() >= WAYS_MAX {
            self.0.pop_first();
        }
        self.0.insert(order, Way { received: event.recv_ns, decided, ..Way::default() });
    }

    /// What gateways say of orders.
    pub fn on_event(&mut self, event: &Event, stages: &mut Stages) {
        match &event.body {
            Body::Sent { order, encoded_ns, written_ns } => {
                let Some(way) = self.0.get_mut(order) else { return };
                way.written = *written_ns;
                stages.record(Stage::DecidedToEncoded, way.decided, *encoded_ns);
                stages.record(Stage::EncodedToWritten, *encoded_ns, *written_ns);
                stages.record(Stage::ReceivedToWritten, way.received, *written_ns);
                // The answer may have been read, on another connection, before this was taken.
                stages.record(Stage::WrittenToAcked, *written_ns, way.acked);
                stages.record(Stage::WrittenToFilled, *written_ns, way.filled);
            }
            Body::Exec(report) => {
                let Some(way) = self.0.get_mut(&report.order) else { return };
                match report.exec {
                    ExecType::New if way.acked == 0 => {
                        way.acked = event.recv_ns;
                        stages.record(Stage::WrittenToAcked, way.written, way.acked);
                    }
                    ExecType::Trade if way.filled == 0 => {
                        way.filled = event.recv_ns;
                        stages.record(Stage::WrittenToFilled, way.written, way.filled);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// The order is over. A fill may have overtaken the acknowledgement: then it is followed until that comes, or
    /// until it is the oldest.
    pub fn on_closed(&mut self, order: OrderId) {
        if self.0.get(&order).is_some_and(|way| way.acked != 0 && way.written != 0) {
            self.0.remove(&order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ExecReport;

    const ORDER: OrderId = OrderId(64);

    fn event(recv_ns: Nanos, decoded_ns: Nanos, ts_ns: Nanos, body: Body) -> Event {
        Event { seq: 1, ts_ns, recv_ns, decoded_ns, body }
    }

    fn report(exec: ExecType) -> Body {
        Body::Exec(ExecReport { order: ORDER, exec, ..ExecReport::default() })
    }

    fn seen(stages: &Stages) -> Vec<(Stage, u64, u64)> {
        stages.rows().filter(|row| row.count > 0).map(|row| (row.stage, row.count, row.max)).collect()
    }

    #[test]
    fn each_stage_is_the_time_between_its_two_stamps() {
        let (mut ways, mut stages) = (Ways::default(), Stages::default());
        ways.on_place(ORDER, &event(1_000, 1_090, 1_200, Body::Tick), 1_350, &mut stages);
        let sent = Body::Sent { order: ORDER, encoded_ns: 1_600, written_ns: 2_000 };
        ways.on_event(&event(0, 0, 5_000, sent), &mut stages);
        ways.on_event(&event(2_500, 2_510, 5_001, report(ExecType::New)), &mut stages);
        ways.on_event(&event(2_900, 2_910, 5_002, report(ExecType::Trade)), &mut stages);
        ways.on_event(&event(3_900, 3_910, 5_003, report(ExecType::Trade)), &mut stages);
        let want = [
            (Stage::ReceivedToDecoded, 1, 90),
            (Stage::DecodedToTaken, 1, 110),
            (Stage::TakenToDecided, 1, 150),
            (Stage::DecidedToEncoded, 1, 250),
            (Stage::EncodedToWritten, 1, 400),
            (Stage::ReceivedToWritten, 1, 1_000),
            (Stage::WrittenToAcked, 1, 500),
            (Stage::WrittenToFilled, 1, 900),
        ];
        assert_eq!(seen(&stages), want);
        ways.on_closed(ORDER);
        assert!(ways.0.is_empty());
    }

    #[test]
    fn an_answer_that_overtakes_the_word_of_its_sending_counts_once_that_comes() {
        let (mut ways, mut stages) = (Ways::default(), Stages::default());
        ways.on_place(ORDER, &event(0, 0, 1_000, Body::Tick), 1_100, &mut stages);
        ways.on_event(&event(2_500, 2_510, 2_600, report(ExecType::Trade)), &mut stages);
        ways.on_closed(ORDER);
        ways.on_event(&event(2_700, 2_710, 2_800, report(ExecType::New)), &mut stages);
        let sent = Body::Sent { order: ORDER, encoded_ns: 1_600, written_ns: 2_000 };
        ways.on_event(&event(0, 0, 5_000, sent), &mut stages);
        let answers: Vec<_> = seen(&stages).split_off(3);
        assert_eq!(answers, [(Stage::WrittenToAcked, 1, 700), (Stage::WrittenToFilled, 1, 500)]);
    }

    #[test]
    fn the_oldest_way_is_forgotten_when_there_are_too_many() {
        let (mut ways, mut stages) = (Ways::default(), Stages::default());
        for n in 0..=WAYS_MAX as u64 {
            ways.on_place(OrderId(64 + n), &event(0, 0, 1_000, Body::Tick), 1_100, &mut stages);
        }
        assert_eq!(ways.0.len(), WAYS_MAX);
        assert!(!ways.0.contains_key(&OrderId(64)));
    }
}
