//! The map of callers: from which address, as whom, to which service.

use evidence::{Trigger, shown};
use serde::Serialize;
use std::collections::BTreeMap;
use trail::Record;

/// How many distinct ways are told apart.
const MOST_WAYS: usize = 20_000;
/// How many places of one kind are drawn; the rest is taken together.
const MOST_DRAWN: usize = 12;
/// What the rest is called.
const OTHERS: &str = "others";

/// Who called what. Nodes are in three columns: where from, as whom, to which service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Callers {
    /// The most calling first, in each column.
    pub nodes: Vec<Node>,
    /// From one column to the next.
    pub edges: Vec<Edge>,
    /// Calls of ways beyond those that are told apart.
    pub more_calls: u64,
}

/// A place on the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// 0: an address, 1: a principal, 2: a service.
    pub column: u8,
    /// Its name.
    pub name: String,
    /// Of an address: which programs called from there.
    pub with: Vec<String>,
    /// Calls, failed ones included.
    pub calls: u64,
    /// Calls that failed.
    pub failed_calls: u64,
    /// Whether it is the address or the principal of the change that opened the case.
    pub is_of_trigger: bool,
}

/// Calls from one place to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// The place of the node in the list.
    pub from: usize,
    /// The place of the node in the list.
    pub to: usize,
    /// Calls, failed ones included.
    pub calls: u64,
    /// Calls that failed.
    pub failed_calls: u64,
    /// Whether the calls came from the address of the change that opened the case.
    pub is_of_trigger: bool,
}

/// Ways, as they are counted.
pub(crate) struct Mapping {
    address: Option<String>,
    principal: Option<String>,
    ways: BTreeMap<[String; 3], [u64; 2]>,
    programs: BTreeMap<String, Vec<String>>,
    more_calls: u64,
}

impl Mapping {
    /// Of a case that was opened by this.
    pub(crate) fn around(trigger: &Trigger) -> Self {
        let (address, principal) = match trigger {
            Trigger::CloudTrailEvent {
                principal,
                source_address,
                ..
            } => (source_address.as_deref(), principal.as_deref()),
            Trigger::Person { .. } => (None, None),
        };
        Self {
            address: address.map(named),
            principal: principal.map(named),
            ways: BTreeMap::new(),
            programs: BTreeMap::new(),
            more_calls: 0,
        }
    }

    pub(crate) fn add(&mut self, record: &Record) {
        let name = |text: Option<&str>| named(text.unwrap_or("unknown"));
        let address = name(record.source_address());
        let way = [
            address.clone(),
            name(record.principal()),
            name(record.service().or_else(|| record.event_source())),
        ];
        if self.ways.len() >= MOST_WAYS && !self.ways.contains_key(&way) {
            self.more_calls += 1;
            return;
        }
        let calls = self.ways.entry(way).or_default();
        calls[0] += 1;
        calls[1] += u64::from(record.error_code().is_some());
        if let Some(agent) = record.user_agent() {
            let program = program(agent);
            let programs = self.programs.entry(address).or_default();
            if programs.len() < 4 && !programs.contains(&program) {
                programs.push(program);
            }
        }
    }

    /// The map as it is drawn: the places with the most calls, those of the trigger in any case.
    pub(crate) fn map(self) -> Callers {
        let mut map = Callers {
            more_calls: self.more_calls,
            ..Callers::default()
        };
        let mut drawn: [BTreeMap<String, usize>; 3] = Default::default();
        for (column, places) in drawn.iter_mut().enumerate() {
            let mut calls: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
            for (way, [all, failed]) in &self.ways {
                let Some(name) = way.get(column) else {
                    continue;
                };
                let sum = calls.entry(name.as_str()).or_default();
                sum[0] += all;
                sum[1] += failed;
            }
            let is_of_trigger = |name: &str| match column {
                0 => self.address.as_deref() == Some(name),
                1 => self.principal.as_deref() == Some(name),
                _ => false,
            };
            let mut names: Vec<&str> = calls.keys().copied().collect();
            names.sort_by_key(|name| {
                let calls = calls.get(name).map_or(0, |calls| calls[0]);
                (!is_of_trigger(name), std::cmp::Reverse(calls))
            });
            for (place, name) in names.into_iter().enumerate() {
                let [all, failed] = calls.get(name).copied().unwrap_or_default();
                let is_drawn = place < MOST_DRAWN;
                let known = match is_drawn {
                    true => None,
                    false => places.get(OTHERS).copied(),
                };
                let node = known.unwrap_or(map.nodes.len());
                if known.is_none() {
                    let with = self.programs.get(name).filter(|_| column == 0 && is_drawn);
                    map.nodes.push(Node {
                        column: column as u8,
                        name: if is_drawn { name } else { OTHERS }.to_owned(),
                        with: with.cloned().unwrap_or_default(),
                        calls: 0,
                        failed_calls: 0,
                        is_of_trigger: is_of_trigger(name),
                    });
                    if !is_drawn {
                        places.insert(OTHERS.to_owned(), node);
                    }
                }
                places.insert(name.to_owned(), node);
                if let Some(node) = map.nodes.get_mut(node) {
                    node.calls += all;
                    node.failed_calls += failed;
                }
            }
        }
        let mut edges: BTreeMap<(usize, usize), ([u64; 2], bool)> = BTreeMap::new();
        for (way, [all, failed]) in &self.ways {
            let is_of_trigger = self.address.as_ref() == Some(&way[0]);
            let node = |column: usize| drawn.get(column)?.get(way.get(column)?).copied();
            for (from, to) in [(node(0), node(1)), (node(1), node(2))] {
                if let (Some(from), Some(to)) = (from, to) {
                    let (calls, is_marked) = edges.entry((from, to)).or_default();
                    calls[0] += all;
                    calls[1] += failed;
                    *is_marked |= is_of_trigger;
                }
            }
        }
        map.edges = (edges.into_iter())
            .map(
                |((from, to), ([calls, failed_calls], is_of_trigger))| Edge {
                    from,
                    to,
                    calls,
                    failed_calls,
                    is_of_trigger,
                },
            )
            .collect();
        map
    }
}

/// Of an ARN the part that tells; bounded.
fn named(text: &str) -> String {
    let name = match text.strip_prefix("arn:") {
        Some(arn) => arn.splitn(5, ':').last().unwrap_or(arn),
        None => text,
    };
    shown(name, 120)
}

/// A user agent in a word: whether Lambda's runtime called, else the first program it names.
fn program(agent: &str) -> String {
    if agent.contains("exec-env/AWS_Lambda") {
        return "Lambda’s runtime".to_owned();
    }
    shown(
        agent
            .split([' ', '['])
            .find(|word| !word.is_empty())
            .unwrap_or(agent),
        60,
    )
}
