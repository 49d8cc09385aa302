//! `simulate`: what the operator would say to manifests, by exported configuration and without a cluster.

mod apply;
mod configuration;
mod document;
mod files;
mod kinds;
mod located;
mod report;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
};

use anyhow::bail;
use clap::Args;
use countersign_core::identity::Identity;

use self::{
    configuration::Configuration,
    document::Document,
    kinds::KnownKinds,
    located::{Located, by_place},
    report::{Judged, Report},
    write::Write,
};
use crate::{
    failure::Outcome,
    output::{AnswerFormat, Format, print, serialized},
    who::Who,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  everything would pass
  1  something would be denied
  2  it cannot be told: a wrong command line, or input that cannot be read
  3  nothing would be denied, and something needs approval (0 with --accept-approval)";

/// Tell what Countersign would say to manifests, without a cluster
///
/// For the CI of a repository that a GitOps controller applies. The rules are the operator's own; what they need to know
/// is read from files. No cluster is asked, so the answer supposes a few things, and says which.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_long_help = EXIT_CODES)]
pub struct Simulate {
    /// A file, a folder, or - for the standard input, with what would be applied
    #[arg(short, long = "filename", value_name = "FILE|DIR|-", required = true)]
    pub filenames: Vec<PathBuf>,
    /// Process folders recursively, also those of --config and --old
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Who would apply it: user:alice, agent:deploy-bot
    #[arg(long = "as", value_name = "IDENTITY")]
    pub identity: Identity,
    /// A directory group of who would apply it; may be given several times
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
    /// A file or folder with what kubectl get
    /// accesspolicies,zones,rolegrants,teams,agents,writedelegations,namespaces -o yaml prints; definitions of other
    /// kinds are read there, too
    #[arg(long, value_name = "FILE|DIR", required = true)]
    pub config: Vec<PathBuf>,
    /// A file or folder with the objects that exist: the manifests before the change, or what kubectl get -o yaml
    /// prints of them
    #[arg(long, value_name = "FILE|DIR")]
    pub old: Vec<PathBuf>,
    /// Judge the deletion of what --old holds and -f does not
    #[arg(long, requires = "old")]
    pub prune: bool,
    /// Judge as though strict mode were on and every environment enforced
    #[arg(long)]
    pub strict: bool,
    /// End with 0, not 3, when something needs approval
    #[arg(long)]
    pub accept_approval: bool,
    /// The form of what is printed
    #[arg(short, long, value_enum, default_value_t)]
    pub output: AnswerFormat,
}

/// What the files hold.
struct Input {
    manifests: Vec<Document>,
    config: Vec<Document>,
    old: Vec<Document>,
}

impl Simulate {
    /// Judges the manifests; those that name no namespace are for `namespace`.
    pub fn run(&self, namespace: Option<&str>, out: &mut impl io::Write) -> anyhow::Result<Outcome> {
        let read = |paths: &[PathBuf]| document::read(&files::read(paths, self.recursive)?);
        let input = Input {
            manifests: read(&self.filenames)?,
            config: read(&self.config)?,
            old: read(&self.old)?,
        };
        let report = self.judge(&input, namespace)?;
        let said = match self.output {
            AnswerFormat::Text => report.text()?,
            AnswerFormat::Json => serialized(&report, Format::Json)?,
        };
        print(out, &said)?;
        Ok(report.outcome(self.accept_approval))
    }

    fn judge(&self, input: &Input, namespace: Option<&str>) -> anyhow::Result<Report> {
        let kinds = KnownKinds::of(input.config.iter().chain(&input.old).chain(&input.manifests))?;
        let locate = |document| Located::find(document, &kinds, namespace);
        let manifests = input
            .manifests
            .iter()
            .map(locate)
            .collect::<Result<Vec<_>, _>>()?;
        let old = by_place(input.old.iter().map(locate).collect::<Result<_, _>>()?)?;
        let config = configuration::documents(&input.config)?;
        let config = by_place(config.into_iter().map(locate).collect::<Result<_, _>>()?)?;

        let mut configuration = Configuration::read(&config)?;
        configuration.add_namespaces(old.values().chain(&manifests))?;
        let who = configuration.who(&self.identity, &self.groups)?;
        let writes = self.writes(&manifests, &old, &config);
        if writes.is_empty() {
            bail!("there is nothing to judge: no file of -f holds an object");
        }
        let objects = writes
            .iter()
            .map(|write| self.answer(write, &who, &configuration));
        let objects = objects.collect::<anyhow::Result<Vec<_>>>()?;
        let mut assumptions = self.assumptions(&manifests, &old);
        assumptions.extend(configuration.assumptions(&self.identity, writes.iter().map(Write::located)));
        Ok(Report::new(self.identity.clone(), objects, assumptions))
    }

    /// What would be sent: the configuration tells of some objects, too, that they exist.
    fn writes<'a>(
        &self,
        manifests: &'a [Located<'a>],
        old: &'a BTreeMap<String, Located<'a>>,
        config: &'a BTreeMap<String, Located<'a>>,
    ) -> Vec<Write<'a>> {
        let stored = |place: &str| old.get(place).or_else(|| config.get(place));
        let applied = manifests
            .iter()
            .map(|new| Write::apply(new, stored(&new.place())));
        let gone = gone(manifests, old).into_iter().filter(|_| self.prune);
        applied.chain(gone.map(Write::prune)).collect()
    }

    fn answer(&self, write: &Write<'_>, who: &Who, configuration: &Configuration) -> anyhow::Result<Judged> {
        let mut answer = write.judge(who, configuration.snapshot())?;
        answer.enforced |= self.strict;
        Ok(Judged {
            source: write.located().document.source.clone(),
            answer,
        })
    }

    fn assumptions(&self, manifests: &[Located<'_>], old: &BTreeMap<String, Located<'_>>) -> Vec<String> {
        let new = if old.is_empty() {
            "every object that the configuration does not hold is new: name those that exist with --old"
        } else {
            "what neither --old nor the configuration holds is new"
        };
        let cluster = "nothing of the cluster is known but the files: no ticket (what is approved already still shows as \
                       needing approval), no default of the API server, no change by another webhook, and so no hash";
        let gone = gone(manifests, old).len();
        let kept =
            format!("what --old holds and -f does not ({gone}) stays: judge its deletion with --prune");
        [new.to_owned(), cluster.to_owned()]
            .into_iter()
            .chain((gone > 0 && !self.prune).then_some(kept))
            .collect()
    }
}

/// What is there and not among the manifests.
fn gone<'a>(manifests: &[Located<'_>], old: &'a BTreeMap<String, Located<'a>>) -> Vec<&'a Located<'a>> {
    let places: BTreeSet<_> = manifests.iter().map(Located::place).collect();
    let gone = old.iter().filter(|(place, _)| !places.contains(*place));
    gone.map(|(_, located)| located).collect()
}
