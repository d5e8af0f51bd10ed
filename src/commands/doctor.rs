//! `storage:doctor`: what is wrong with the storage of an app, or of every app and the store, and who uses an entry.

use super::arguments::{self, Shown};
use crate::checks::{backups, doctor, noted, places};
use crate::context::Context;
use crate::domain::{Error, Finding, Result, Severity};
use crate::ops::access;
use crate::ops::report::loaded;
use crate::render::Format;

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Shown>(words, context)?;
    let format = arguments.output.format()?;
    let mut findings = Vec::new();
    // It may be the name of an entry too.
    if let Some(name) = arguments.app {
        let (everywhere, silent) = doctor::everywhere(context);
        findings.extend(silent);
        let app = name.existing(context);
        let entry = access::entry(&name.0, context);
        if entry.is_err() || app.is_ok() {
            let app = app.map_err(|error| neither(error, &name.0, context))?;
            let mounts = loaded(context.store.mounts(&app));
            findings.extend(doctor::of_app(&app, &mounts, &everywhere, context)?);
        }
        if let Ok(entry) = entry {
            findings.extend(places::of_entry(&entry, context)?);
            findings.extend(backups::of_entries(std::slice::from_ref(&entry), context));
            findings.extend(noted::findings(&[entry], context));
        }
    } else {
        findings.extend(doctor::everything(context)?);
    }
    findings.sort_by_key(|finding| finding.severity);
    if format == Format::Json {
        // Programs compare the codes; sentences and remedies are for the people that they show them to.
        for finding in &mut findings {
            finding.sentence = context.out.sentence(&finding.sentence).into_owned();
            finding.remedy = context.out.sentence(&finding.remedy).into_owned();
        }
        context.out.json(&findings);
    } else {
        tell(&findings, context);
    }
    if findings.iter().any(|finding| finding.severity != Severity::Note) {
        return Err(Error::Status(1));
    }
    Ok(())
}

/// The refusal of a name that is neither an app's nor an entry's, with the status of an unknown app.
fn neither(error: Error, name: &str, context: &mut Context) -> Error {
    if !matches!(error, Error::UnknownApp(_)) {
        return error;
    }
    context.out.warn(&format!("there is no app or storage entry {name:?}"));
    Error::Status(error.status())
}

fn tell(findings: &[Finding], context: &mut Context) {
    if findings.is_empty() {
        context.out.headline_unless_quiet("Nothing is wrong with the storage");
    }
    for finding in findings {
        let head = match finding.severity {
            Severity::Stops => "stops the next deploy",
            Severity::Person => "needs a look",
            Severity::Note => "note",
        };
        context.out.line(&format!("-----> {} ({head})", finding.code));
        context.out.detail(&finding.sentence);
        context.out.detail(&format!("-> {}", finding.remedy));
    }
}
