//! Which groups belong to jobs that have left the configuration, so that deleting them takes nothing from anybody.
//!
//! A gateway is shared: with other pushers, and with other deployments of Fanlight. What may be deleted is what all of
//! this says of:
//!
//! - Fanlight's own group names the job, and has exactly the grouping key of a sink of this configuration (or one that
//!   the user says it had). Other grouping keys are other deployments'.
//! - The configuration has no such job there.
//! - The job's group holds no family but those that the job's last run told of; whatever else does was pushed by
//!   somebody else under the same key. So was a group that was pushed to after that run told of itself, or whose
//!   families have another number of series than it told.
//! - Nobody has pushed to either group lately. A job that left the configuration does not run any more; one that still
//!   runs is another deployment's with the same key, or is not withdrawn yet.
//! - A job that moved to another sink has arrived there.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{Holdings, Survey, Told, sink_of};
use crate::config::job::Job;
use crate::pushgateway::{Group, GroupingKey};

/// Labels of a grouping key besides `job`, in the order of their names.
pub type Grouping = Vec<(String, String)>;

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Also the jobs that are switched off.
    pub disabled: bool,
    /// Grouping keys that the sinks used to have.
    pub former_groupings: Vec<Grouping>,
    /// How long nobody must have pushed to a group.
    pub min_age: SignedDuration,
}

/// A job whose groups are to be deleted.
#[derive(Debug, Clone, PartialEq)]
pub struct Stale<'a> {
    /// Which of the surveys found it.
    pub survey: usize,
    /// The job's name.
    pub job: String,
    /// Why its groups do not belong there.
    pub why: Why,
    /// Whether a label of their grouping key says whose they are. Without any, a job that has left this configuration
    /// looks like one of another deployment.
    pub labelled: bool,
    /// The groups, the one that tells of them last: what stops half-way can go on.
    pub groups: Vec<&'a Group>,
}

/// Why a group does not belong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The configuration has no such job.
    Removed,
    /// The job is switched off.
    Disabled,
    /// The job pushes to another sink now, whose name this is, or under another grouping key.
    Moved(String),
}

/// A job whose groups do not seem to belong there, and are left alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Spared {
    /// Which of the surveys found it.
    pub survey: usize,
    /// The job's name.
    pub job: String,
    /// The key of the job's group.
    pub key: GroupingKey,
    /// Why they are left alone.
    pub because: Because,
}

/// Why a group is left alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Because {
    /// It was pushed to at that time.
    StillPushed(Timestamp),
    /// It holds families that the job's last run did not push.
    Foreign(Vec<String>),
    /// Something was pushed to it, at that time, after the job's last run told of itself.
    PushedAfter(Timestamp),
    /// This family of it has not the number of series that the job's last run told: what it has, and what was told.
    Differs(String, usize, u64),
    /// The job has not run at the sink that it moved to.
    NotArrived(String),
    /// It is not known whether it has, for that sink's gateway did not answer.
    Unknown(String),
}

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub struct Findings<'a> {
    /// To be deleted.
    pub stale: Vec<Stale<'a>>,
    /// To be left alone, and told.
    pub spared: Vec<Spared>,
    /// Jobs that are switched off and have groups, where these are not looked for.
    pub disabled: usize,
    /// Grouping keys that no sink has there, under which a job of the configuration has groups: another deployment's,
    /// or those from before the sink's grouping was changed.
    pub like_ours: BTreeSet<Grouping>,
}

/// Looks through what was found in all gateways. `jobs` are all jobs of a configuration without mistakes.
#[must_use]
pub fn find<'a>(jobs: &[Job], surveys: &'a [Survey<'_>], search: &Search, now: Timestamp) -> Findings<'a> {
    let mut findings = Findings::default();
    let found = |index: usize| surveys[index].found.as_ref().ok();
    for (index, survey) in surveys.iter().enumerate() {
        let Some(holdings) = found(index) else { continue };
        // Several sinks may be one gateway.
        let seen = |other: usize| found(other).is_some_and(|other| other.is_same_gateway(holdings));
        let first_here = !(0..index).any(seen);
        let here: Vec<&Grouping> = surveys
            .iter()
            .filter(|other| other.found.as_ref().is_ok_and(|other| other.is_same_gateway(holdings)))
            .map(|other| &other.sink.grouping)
            .collect();
        let own_is_new = !(0..index).any(|other| seen(other) && surveys[other].sink.grouping == survey.sink.grouping);
        for told in holdings.groups.iter().filter_map(Told::of) {
            let ours = own_is_new && told.grouping == survey.sink.grouping;
            let formerly =
                first_here && search.former_groupings.contains(&told.grouping) && !here.contains(&&told.grouping);
            if ours || formerly {
                consider(jobs, surveys, index, holdings, &told, search, now, &mut findings);
            } else if first_here && !here.contains(&&told.grouping) && jobs.iter().any(|job| job.name == told.job) {
                findings.like_ours.insert(told.grouping);
            }
        }
    }
    findings
}

#[expect(clippy::too_many_arguments, reason = "one question, of all that it depends on")]
fn consider<'a>(
    jobs: &[Job],
    surveys: &[Survey<'_>],
    index: usize,
    holdings: &'a Holdings,
    told: &Told<'a>,
    search: &Search,
    now: Timestamp,
    findings: &mut Findings<'a>,
) {
    let why = match place(jobs, surveys, holdings, told) {
        Place::Here(job) if job.enabled => return,
        Place::Here(_) if search.disabled => Ok(Why::Disabled),
        Place::Here(_) => {
            findings.disabled += 1;
            return;
        }
        Place::Nowhere => Ok(Why::Removed),
        Place::Elsewhere(sink) => Ok(Why::Moved(sink)),
        Place::NotYet(sink) => Err(Because::NotArrived(sink)),
        Place::Unknown(sink) => Err(Because::Unknown(sink)),
    };
    let key = told.data_key();
    let data = holdings.group(&key);
    let groups: Vec<&Group> = data.into_iter().chain([told.group]).collect();
    match why.and_then(|why| deletable(told, data, &groups, search, now).map(|()| why)) {
        Ok(why) => findings.stale.push(Stale {
            survey: index,
            job: told.job.clone(),
            why,
            labelled: !told.grouping.is_empty(),
            groups,
        }),
        Err(because) => findings.spared.push(Spared {
            survey: index,
            job: told.job.clone(),
            key,
            because,
        }),
    }
}

/// Where the configuration has a job.
enum Place<'a> {
    Here(&'a Job),
    Nowhere,
    /// At another sink or under another key, where it has pushed.
    Elsewhere(String),
    NotYet(String),
    Unknown(String),
}

fn place<'a>(jobs: &'a [Job], surveys: &[Survey<'_>], holdings: &Holdings, told: &Told<'_>) -> Place<'a> {
    // Names are unique in a configuration.
    let Some(job) = jobs.iter().find(|job| job.name == told.job) else {
        return Place::Nowhere;
    };
    let sink = sink_of(job);
    let survey = surveys.iter().find(|survey| survey.sink.name == sink.name);
    let Some(Ok(its)) = survey.map(|survey| &survey.found) else {
        return Place::Unknown(sink.name.clone());
    };
    if sink.grouping == told.grouping && its.is_same_gateway(holdings) {
        return Place::Here(job);
    }
    match its.told(&job.name, &sink.grouping) {
        Some(_) => Place::Elsewhere(sink.name.clone()),
        None => Place::NotYet(sink.name.clone()),
    }
}

fn deletable(
    told: &Told<'_>,
    data: Option<&Group>,
    groups: &[&Group],
    search: &Search,
    now: Timestamp,
) -> Result<(), Because> {
    let families = data.into_iter().flat_map(|group| group.families.keys());
    let foreign: Vec<String> = families
        .filter(|name| !told.metrics.contains_key(*name))
        .cloned()
        .collect();
    if !foreign.is_empty() {
        return Err(Because::Foreign(foreign));
    }
    match groups.iter().filter_map(|group| group.pushed()).max() {
        Some(pushed) if now.duration_since(pushed) < search.min_age => Err(Because::StillPushed(pushed)),
        _ => data.map_or(Ok(()), |data| is_as_told(data, told)),
    }
}

/// Whether a job's group is what its last run pushed, as far as can be told.
fn is_as_told(data: &Group, told: &Told<'_>) -> Result<(), Because> {
    // A run tells of itself after its push. Both times are the gateway's, whose clock is one.
    if data.push_time > told.group.push_time
        && let Some(pushed) = data.pushed()
    {
        return Err(Because::PushedAfter(pushed));
    }
    // A run that failed may have left what an earlier one pushed; so does a metric without rows that keeps its series.
    let sure = told.metrics.iter().filter(|(_, metric)| told.up && metric.series > 0);
    for (name, metric) in sure {
        let held = data.families.get(name).map_or(0, |family| family.series);
        if u64::try_from(held) != Ok(metric.series) {
            return Err(Because::Differs(name.clone(), held, metric.series));
        }
    }
    Ok(())
}
