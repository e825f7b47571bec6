//! Inline SVG plots. Colours come from the page's classes, so that they follow its light or dark scheme.

use std::fmt::Write;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;
/// More points than this are drawn as the extremes of as many stretches: no peak is lost.
const POINTS_MAX: usize = 600;

/// Round steps between `low` and `high`, about `n` of them.
fn ticks(low: f64, high: f64, n: f64) -> Vec<f64> {
    let raw = ((high - low) / n).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= raw).unwrap_or(raw);
    let first = (low / step).ceil() as i64;
    (first..first + 20).map(|k| k as f64 * step).take_while(|tick| *tick <= high + step * 1e-9).collect()
}

/// The points, or the extremes of stretches of them.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS_MAX {
        return points.to_vec();
    }
    let chunk = points.len().div_ceil(POINTS_MAX / 2);
    points
        .chunks(chunk)
        .flat_map(|part| {
            let by = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
            let (low, high) = (part.iter().min_by(by), part.iter().max_by(by));
            let mut pair: Vec<(f64, f64)> = low.into_iter().chain(high).copied().collect();
            pair.sort_by(|a, b| a.0.total_cmp(&b.0));
            pair
        })
        .collect()
}

struct Frame {
    height: f64,
    x: (f64, f64),
    y: (f64, f64),
}

impl Frame {
    fn x(&self, x: f64) -> f64 {
        LEFT + (x - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, y: f64) -> f64 {
        TOP + (self.y.1 - y) / (self.y.1 - self.y.0) * (self.height - TOP - BOTTOM)
    }

    fn open(&self, label: &str, y_text: impl Fn(f64) -> String) -> String {
        let height = self.height;
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\" xmlns=\"http://www.w3.org/2000/svg\">"
        );
        for tick in ticks(self.y.0, self.y.1, 4.0) {
            let y = self.y(tick);
            // Writing to a string cannot fail, here and below.
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0,
                y_text(tick)
            );
        }
        svg
    }
}

/// A curve over time; `labels` stand under its start, middle and end. Nothing of fewer than two points.
pub(super) fn curve(
    points: &[(f64, f64)],
    label: &str,
    height: f64,
    filled_from: Option<f64>,
    labels: [String; 3],
    y_text: impl Fn(f64) -> String,
) -> String {
    let points = thinned(points);
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    if first.0 >= last.0 {
        return String::new();
    }
    let (mut low, mut high) = points.iter().fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p.1), high.max(p.1)));
    if let Some(base) = filled_from {
        (low, high) = (low.min(base), high.max(base));
    }
    let room = ((high - low) * 0.06).max(high.abs().max(1e-9) * 1e-6);
    let high_room = if filled_from == Some(high) { 0.0 } else { room };
    let frame = Frame { height, x: (first.0, last.0), y: (low - room, high + high_room) };
    let mut svg = frame.open(label, y_text);
    let mut path = String::new();
    for (n, (x, y)) in points.iter().enumerate() {
        let _ = write!(path, "{}{:.1} {:.1}", if n == 0 { "M" } else { "L" }, frame.x(*x), frame.y(*y));
    }
    if let Some(base) = filled_from {
        let base = frame.y(base);
        let _ = write!(
            svg,
            "<path class=\"fall\" d=\"{path}L{:.1} {base:.1}L{:.1} {base:.1}Z\"/>",
            frame.x(last.0),
            frame.x(first.0)
        );
    }
    let _ = write!(svg, "<path class=\"line{}\" d=\"{path}\"/>", if filled_from.is_some() { " bad" } else { "" });
    for (text, (x, anchor)) in
        labels.iter().zip([(LEFT, "start"), ((WIDTH + LEFT - RIGHT) / 2.0, "middle"), (WIDTH - RIGHT, "end")])
    {
        let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{text}</text>", height - 6.0);
    }
    svg + "</svg>"
}

/// How many of the values fall where; losses and wins in their colours. Nothing of no value.
pub(super) fn histogram(values: &[f64], label: &str, height: f64, x_text: impl Fn(f64) -> String) -> String {
    let (low, high) = values.iter().fold((0f64, 0f64), |(low, high), v| (low.min(*v), high.max(*v)));
    if values.is_empty() || low >= high {
        return String::new();
    }
    // Zero is an edge, so that no bar is of both.
    let step = ((high - low) / 30.0).max(f64::MIN_POSITIVE);
    let first = (low / step).floor();
    let bins = ((high / step).floor() - first) as usize + 1;
    let mut counts = vec![0u32; bins];
    for value in values {
        let at = ((value / step).floor() - first).max(0.0) as usize;
        counts[at.min(bins - 1)] += 1;
    }
    let most = counts.iter().max().copied().unwrap_or(1).max(1);
    let (from, to) = (first * step, (first + bins as f64) * step);
    let frame = Frame { height, x: (from, to), y: (0.0, f64::from(most) * 1.06) };
    let mut svg = frame.open(label, |y| format!("{y:.0}"));
    for (n, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let at = (first + n as f64) * step;
        let (x, y) = (frame.x(at), frame.y(f64::from(*count)));
        let class = if first + (n as f64) < 0.0 { "loss" } else { "win" };
        let (w, h) = (frame.x(at + step) - x - 2.0, frame.y(0.0) - y);
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{h:.1}\"><title>{count} trades, {} to {}</title></rect>",
            x + 1.0,
            w.max(1.0),
            x_text(at),
            x_text(at + step)
        );
    }
    for tick in ticks(from, to, 6.0) {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            frame.x(tick),
            height - 6.0,
            x_text(tick)
        );
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 10.0, 5.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(-3.0, 3.0, 3.0), [-2.0, 0.0, 2.0]);
    }

    #[test]
    fn thinning_loses_no_peak_and_nothing_is_drawn_of_nothing() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|n| (f64::from(n), 1.0)).collect();
        points[5_432].1 = 99.0;
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS_MAX && thin.iter().any(|p| p.1 == 99.0));
        let labels = || [String::new(), String::new(), String::new()];
        assert_eq!(curve(&[], "", 100.0, None, labels(), |y| y.to_string()), "");
        assert_eq!(curve(&[(1.0, 1.0)], "", 100.0, None, labels(), |y| y.to_string()), "");
        assert_eq!(histogram(&[], "", 100.0, |x| x.to_string()), "");
        let flat = curve(&[(0.0, 5.0), (1.0, 5.0)], "", 100.0, None, labels(), |y| y.to_string());
        assert!(flat.contains("<path") && !flat.contains("NaN") && !flat.contains("inf"), "{flat}");
        let bars = histogram(&[-1.0, 2.0, 2.0], "", 100.0, |x| format!("{x:.1}"));
        assert_eq!((bars.matches("class=\"loss\"").count(), bars.matches("class=\"win\"").count()), (1, 1));
    }
}
