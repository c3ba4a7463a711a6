//! The pictures that need no script: lanes of the timeline, calls of services over time, the map of
//! callers, invocations over time. All of them are said in words as well.

use super::escape::esc;
use super::timeline::{LANES, lane};
use super::{counted, figure, length};
use crate::{Callers, Invocations, Node, RoleActivity, Spread, Timeline};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io::{self, Write};

const WIDTH: f64 = 960.0;
/// Where names stand.
const LEFT: f64 = 132.0;
const INNER: f64 = WIDTH - LEFT - 12.0;

/// The timeline as lanes, one a source; the darker, the more there is.
pub(super) fn lanes(
    timeline: &Timeline,
    trigger: Timestamp,
    out: &mut impl Write,
) -> io::Result<()> {
    const COLUMNS: usize = 160;
    const LANE: f64 = 22.0;
    let (Some(first), Some(last)) = (timeline.items.first(), timeline.items.last()) else {
        return Ok(());
    };
    let (first, last) = (
        first.occurred_at.as_millisecond(),
        last.occurred_at.as_millisecond(),
    );
    let span = (last - first).max(1);
    let place = |at: Timestamp| (at.as_millisecond() - first) as f64 / span as f64;
    let mut cells: BTreeMap<(usize, usize), (u64, u8)> = BTreeMap::new();
    for item in &timeline.items {
        let column = ((place(item.occurred_at) * COLUMNS as f64) as usize).min(COLUMNS - 1);
        let cell = cells.entry((lane(item.source), column)).or_default();
        cell.0 += 1;
        let severity = item.severity.map_or(0, |severity| severity as u8 + 1);
        cell.1 = cell.1.max(severity);
    }
    let height = LANE * LANES.len() as f64 + 26.0;
    write!(
        out,
        "<svg class=\"picture\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Entries by source over time; the table below lists the most telling\">"
    )?;
    for (row, (_, name)) in LANES.iter().enumerate() {
        let y = row as f64 * LANE;
        write!(
            out,
            "<text x=\"{}\" y=\"{}\" class=\"name\">{name}</text><line x1=\"{LEFT}\" x2=\"{}\" y1=\"{}\" y2=\"{}\" class=\"rule\"/>",
            LEFT - 10.0,
            y + 15.0,
            LEFT + INNER,
            y + LANE,
            y + LANE
        )?;
    }
    let width = INNER / COLUMNS as f64;
    for ((row, column), (count, severity)) in &cells {
        write!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{}\" rx=\"1\" class=\"s{severity}\" opacity=\"{:.2}\"/>",
            LEFT + *column as f64 * width,
            *row as f64 * LANE + 4.0,
            width.max(3.0),
            LANE - 7.0,
            (0.55 + (*count as f64).ln() / 12.0).min(1.0)
        )?;
    }
    let at = place(trigger);
    if (0.0..=1.0).contains(&at) {
        mark(LEFT + at * INNER, LANE * LANES.len() as f64, out)?;
    }
    let millis = |at| Timestamp::from_millisecond(at).unwrap_or_default();
    axis(millis(first), millis(last), height - 8.0, out)?;
    writeln!(out, "</svg>")
}

/// When the change was made.
fn mark(x: f64, height: f64, out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{height}\" class=\"change\"/>"
    )
}

/// When the picture begins and ends, with the middle.
fn axis(first: Timestamp, last: Timestamp, y: f64, out: &mut impl Write) -> io::Result<()> {
    let middle = (first.as_second() + last.as_second()) / 2;
    let middle = Timestamp::from_second(middle).unwrap_or(first);
    let is_short = last.as_second() - first.as_second() < 2 * 86_400;
    let form = if is_short {
        "%m-%d %H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M"
    };
    for (at, x, anchor) in [
        (first, LEFT, "start"),
        (middle, LEFT + INNER / 2.0, "middle"),
        (last, LEFT + INNER, "end"),
    ] {
        write!(
            out,
            "<text x=\"{x}\" y=\"{y}\" class=\"tick\" text-anchor=\"{anchor}\">{}</text>",
            at.strftime(form)
        )?;
    }
    Ok(())
}

fn ends(spread: &Spread) -> (Timestamp, Timestamp) {
    let seconds = spread.step_seconds.saturating_mul(spread.columns as i64);
    let until = spread.since.as_second().saturating_add(seconds);
    let until = Timestamp::from_second(until).unwrap_or(spread.since);
    (spread.since, until)
}

/// Where a moment stands in a picture, if it does.
fn placed(spread: &Spread, at: Timestamp) -> Option<f64> {
    let (since, until) = ends(spread);
    let span = (until.as_second() - since.as_second()).max(1) as f64;
    let place = (at.as_second() - since.as_second()) as f64 / span;
    (0.0..=1.0).contains(&place).then_some(LEFT + place * INNER)
}

/// Calls by service over time; the darker, the more, and red where some failed.
pub(super) fn services(
    activity: &RoleActivity,
    trigger: Timestamp,
    out: &mut impl Write,
) -> io::Result<()> {
    const LANE: f64 = 24.0;
    const MOST: usize = 20;
    let Some(spread) = &activity.spread else {
        return Ok(());
    };
    let services = &activity.services[..activity.services.len().min(MOST)];
    let most = (services.iter())
        .flat_map(|service| service.over_time.iter().map(|[calls, _]| *calls))
        .max()
        .unwrap_or(1)
        .max(1) as f64;
    let height = services.len() as f64 * LANE + 26.0;
    write!(
        out,
        "<figure><svg class=\"picture\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Calls by service over time; the table below has the figures\">"
    )?;
    let width = INNER / spread.columns as f64;
    for (row, service) in services.iter().enumerate() {
        let y = row as f64 * LANE;
        write!(
            out,
            "<text x=\"{}\" y=\"{}\" class=\"name\">{}</text><line x1=\"{LEFT}\" x2=\"{}\" y1=\"{}\" y2=\"{}\" class=\"rule\"/>",
            LEFT - 10.0,
            y + 16.0,
            esc(&short(&service.service, 18)),
            LEFT + INNER,
            y + LANE,
            y + LANE
        )?;
        for (column, [calls, failed]) in service.over_time.iter().enumerate() {
            if *calls == 0 {
                continue;
            }
            let class = if *failed > 0 { "failed" } else { "calls" };
            write!(
                out,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{}\" rx=\"1\" class=\"{class}\" opacity=\"{:.2}\"><title>{}</title></rect>",
                LEFT + column as f64 * width,
                y + 4.0,
                (width - 1.0).clamp(3.0, 14.0),
                LANE - 8.0,
                0.45 + 0.55 * ((*calls as f64).ln_1p() / most.ln_1p()),
                cell(*calls, *failed)
            )?;
        }
    }
    if let Some(x) = placed(spread, trigger) {
        mark(x, services.len() as f64 * LANE, out)?;
    }
    let (since, until) = ends(spread);
    axis(since, until, height - 8.0, out)?;
    writeln!(
        out,
        "</svg><figcaption>A column is {}. <span class=\"key calls\"></span> calls \
         <span class=\"key failed\"></span> some of them failed <span class=\"key change\"></span> the change</figcaption></figure>",
        length(spread.step_seconds)
    )
}

fn cell(calls: u64, failed: u64) -> String {
    match failed {
        0 => counted(calls, "call", "calls"),
        failed => format!(
            "{}, {} failed",
            counted(calls, "call", "calls"),
            figure(failed)
        ),
    }
}

/// Invocations over time: how many and how many of them failed, above how long they took.
pub(super) fn invocations(
    invocations: &Invocations,
    trigger: Timestamp,
    out: &mut impl Write,
) -> io::Result<()> {
    const HALF: f64 = 92.0;
    let Some(spread) = &invocations.spread else {
        return Ok(());
    };
    let most = invocations.over_time.iter().map(|column| column[0]).max();
    let longest = invocations.over_time.iter().map(|column| column[3]).max();
    let (most, longest) = (most.unwrap_or(1).max(1), longest.unwrap_or(1).max(1));
    let height = HALF * 2.0 + 40.0;
    write!(
        out,
        "<figure><svg class=\"picture\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Invocations and their durations over time; the text above has the figures\">"
    )?;
    let lower = HALF + 14.0;
    for (y, name, most) in [
        (0.0, "Invocations", figure(most)),
        (lower, "Duration", format!("{} ms", figure(longest))),
    ] {
        write!(
            out,
            "<text x=\"{x}\" y=\"{}\" class=\"name\">{name}</text><text x=\"{x}\" y=\"{}\" class=\"tick\" text-anchor=\"end\">up to {most}</text>\
             <line x1=\"{LEFT}\" x2=\"{}\" y1=\"{}\" y2=\"{}\" class=\"rule\"/>",
            y + 16.0,
            y + 32.0,
            LEFT + INNER,
            y + HALF,
            y + HALF,
            x = LEFT - 10.0,
        )?;
    }
    let width = INNER / spread.columns as f64;
    let bar = (width - 1.0).clamp(2.0, 16.0);
    for (column, [count, failed, mean_ms, longest_ms]) in invocations.over_time.iter().enumerate() {
        if *count == 0 {
            continue;
        }
        let x = LEFT + column as f64 * width;
        let high = |value: u64, most: u64| (HALF - 6.0) * (value as f64 / most as f64);
        let (all, bad) = (high(*count, most).max(1.5), high(*failed, most));
        let (mean, long) = (high(*mean_ms, longest), high(*longest_ms, longest));
        let title = format!(
            "{}, {} failed, {} ms at most",
            counted(*count, "invocation", "invocations"),
            figure(*failed),
            figure(*longest_ms)
        );
        write!(
            out,
            "<g><title>{title}</title><rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{bar:.1}\" height=\"{all:.1}\" class=\"calls\"/>",
            HALF - all
        )?;
        if *failed > 0 {
            let bad = bad.max(2.0);
            write!(
                out,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{bar:.1}\" height=\"{bad:.1}\" class=\"failed\"/>",
                HALF - bad
            )?;
        }
        write!(
            out,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{bar:.1}\" height=\"{:.1}\" class=\"long\"/>\
             <rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{bar:.1}\" height=\"2\" class=\"mean\"/></g>",
            lower + HALF - long.max(1.5),
            long.max(1.5),
            lower + HALF - mean.max(2.0)
        )?;
    }
    if let Some(x) = placed(spread, trigger) {
        mark(x, lower + HALF, out)?;
    }
    let (since, until) = ends(spread);
    axis(since, until, height - 8.0, out)?;
    writeln!(
        out,
        "</svg><figcaption>A column is {}. <span class=\"key calls\"></span> invocations \
         <span class=\"key failed\"></span> failed <span class=\"key long\"></span> longest \
         <span class=\"key mean\"></span> mean duration <span class=\"key change\"></span> the change</figcaption></figure>",
        length(spread.step_seconds)
    )
}

/// The map of callers: addresses, principals, services, with ways as wide as they were walked.
pub(super) fn callers(callers: &Callers, out: &mut impl Write) -> io::Result<()> {
    const ROW: f64 = 46.0;
    const BOX: f64 = 34.0;
    const WIDE: f64 = 236.0;
    let columns: Vec<Vec<usize>> = (0..3)
        .map(|column| {
            let nodes = callers.nodes.iter().enumerate();
            let nodes = nodes.filter(|(_, node)| node.column == column);
            nodes.map(|(place, _)| place).collect()
        })
        .collect();
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    if rows == 0 {
        return Ok(());
    }
    let height = rows as f64 * ROW + 24.0;
    let gap = (WIDTH - 3.0 * WIDE) / 2.0;
    let left = |column: u8| f64::from(column) * (WIDE + gap);
    let mut tops = vec![0.0; callers.nodes.len()];
    for column in &columns {
        let above = (rows - column.len()) as f64 * ROW / 2.0;
        for (row, place) in column.iter().enumerate() {
            if let Some(top) = tops.get_mut(*place) {
                *top = 24.0 + above + row as f64 * ROW;
            }
        }
    }
    write!(
        out,
        "<figure><svg class=\"picture map\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"From which address, as whom, which service was called; the list below says the same\">"
    )?;
    for (column, name) in ["From", "As", "Called"].iter().enumerate() {
        let x = left(column as u8);
        write!(out, "<text x=\"{x}\" y=\"12\" class=\"tick\">{name}</text>")?;
    }
    let most = callers.edges.iter().map(|edge| edge.calls).max();
    let most = (most.unwrap_or(1) as f64).ln_1p();
    // Those of the trigger last, above the others.
    let mut edges: Vec<_> = callers.edges.iter().collect();
    edges.sort_by_key(|edge| (edge.is_of_trigger, edge.from, edge.to));
    for edge in edges {
        let ends = callers.nodes.get(edge.from).zip(callers.nodes.get(edge.to));
        let Some(((from, to), (y1, y2))) = ends.zip(tops.get(edge.from).zip(tops.get(edge.to)))
        else {
            continue;
        };
        let (x1, x2) = (left(from.column) + WIDE, left(to.column));
        let (y1, y2) = (y1 + BOX / 2.0, y2 + BOX / 2.0);
        let middle = f64::midpoint(x1, x2);
        let class = match (edge.is_of_trigger, edge.failed_calls == edge.calls) {
            (true, _) => "way marked",
            (false, true) => "way refused",
            (false, false) => "way",
        };
        write!(
            out,
            "<path d=\"M{x1:.0} {y1:.0}C{middle:.0} {y1:.0} {middle:.0} {y2:.0} {x2:.0} {y2:.0}\" class=\"{class}\" stroke-width=\"{:.1}\"><title>{} → {}: {}</title></path>",
            1.0 + 7.0 * (edge.calls as f64).ln_1p() / most,
            esc(&from.name),
            esc(&to.name),
            cell(edge.calls, edge.failed_calls)
        )?;
    }
    for (node, top) in callers.nodes.iter().zip(&tops) {
        let x = left(node.column);
        let class = if node.is_of_trigger {
            "node marked"
        } else {
            "node"
        };
        write!(
            out,
            "<g><title>{}</title><rect x=\"{x:.0}\" y=\"{top:.0}\" width=\"{WIDE}\" height=\"{BOX}\" rx=\"4\" class=\"{class}\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\" class=\"node-name\">{}</text><text x=\"{:.0}\" y=\"{:.0}\" class=\"node-note\">{}</text></g>",
            esc(&node.name),
            x + 9.0,
            top + 14.5,
            esc(&short(&node.name, 34)),
            x + 9.0,
            top + 27.5,
            esc(&short(&note(node), 42))
        )?;
    }
    writeln!(
        out,
        "</svg><figcaption><span class=\"key way\"></span> calls <span class=\"key refused\"></span> all refused \
         <span class=\"key marked\"></span> from the address, or by the principal, of the change</figcaption></figure>"
    )
}

fn note(node: &Node) -> String {
    let mut note = cell(node.calls, node.failed_calls);
    if !node.with.is_empty() {
        note.push_str(" · ");
        note.push_str(&node.with.join(", "));
    }
    note
}

/// Cut in the middle: beginning and end tell most of a name.
fn short(text: &str, longest: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= longest {
        return text.to_owned();
    }
    let end = longest / 2;
    let begin = longest - end - 1;
    let (first, last) = (
        characters.iter().take(begin),
        &characters[characters.len() - end..],
    );
    first.chain(&['…']).chain(last).collect()
}
