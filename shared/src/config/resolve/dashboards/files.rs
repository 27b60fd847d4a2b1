//! The files of dashboards, of which no two may be one.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::alerts::Environment;
use crate::config::folder::File;
use crate::config::layers;
use crate::config::mistake::{Mistake, Report};
use crate::dashboards::{About, SameFile, Service, clashes};

/// Where the names of funnels stand, by services and these.
pub(super) type Places<'a> = BTreeMap<(String, String), (&'a File, Range<usize>)>;

/// Refuses two dashboards of one file: at a funnel's name, else at the beginning of the later service's file.
pub(super) fn check(
    files: &[File],
    environments: &[Environment],
    services: &[Service],
    places: &Places<'_>,
    report: &mut Report,
) {
    for SameFile { file, one, other } in environments
        .iter()
        .flat_map(|environment| clashes(environment, services))
    {
        let funnel = [&other, &one].into_iter().find_map(|about| match about {
            About::Funnel { service, funnel } => places.get(&(service.clone(), funnel.clone())).cloned(),
            About::Service { .. } | About::Functions => None,
        });
        let help = match &funnel {
            Some(_) => "give the funnel another name".to_owned(),
            None if one == other => format!("{one} is the name of two files: rename one of them"),
            None => "rename one of the files".to_owned(),
        };
        let of_service = |about: &About| match about {
            About::Service { service } => files.iter().rfind(|file| layers::service(file) == *service),
            About::Funnel { .. } | About::Functions => None,
        };
        let whole = || Some((of_service(&other).or_else(|| of_service(&one))?, 0..0));
        let Some((place, span)) = funnel.or_else(whole) else {
            continue;
        };
        let message = format!("two dashboards would be `{file}`: that of {one} and that of {other}");
        report.add(Mistake::new(&place.path, span, message).help(help));
    }
}
