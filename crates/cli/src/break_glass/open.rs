//! The window, opened: what the passcode signs, and the object that shows it.

use std::io::Write;

use anyhow::{Context, bail};
use clap::Args;
use countersign_api::{BreakGlass, BreakGlassSpec, break_glass::parse, duration};
use countersign_core::{emergency::NAME_PREFIX, plain::plain};
use jiff::Timestamp;
use kube::{Api, api::PostParams};

use crate::{
    connection::Session,
    failure::{Outcome, usage},
    known,
    passcode::{PasscodeSecret, Typed},
};

#[derive(Args, Clone, Debug)]
pub struct Open {
    /// Why, for whoever reads the record: the incident
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// For how long
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "30m",
        allow_hyphen_values = true
    )]
    pub duration: String,
}

impl Open {
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        duration::parse(&self.duration).map_err(|invalid| usage(format!("--duration {invalid}")))?;
        if self.reason.trim().is_empty() {
            return Err(usage("--reason is empty: name the incident"));
        }
        let me = known::myself(session).await?;
        if !me.is_user() {
            bail!("{me} is no person: only people open a break-glass window");
        }
        let secret = PasscodeSecret::find(session).await?;
        let present = secret.read().await?;
        let passcode = present.passcode.with_context(|| {
            let named = secret.named();
            format!(
                "{named} holds no passcode: an admin sets one with kubectl countersign admin passcode set"
            )
        })?;
        let key = Typed::ask("Passcode")
            .await?
            .derive(&passcode.salt, passcode.cost)?;
        let mut spec = BreakGlassSpec {
            person_id: me.to_string(),
            cluster_id: known::cluster_id(session).await?,
            reason: self.reason.clone(),
            duration: self.duration.clone(),
            nonce: nonce()?,
            time: Timestamp::now().to_string(),
            signature: String::new(),
            stamp: None,
            ended: false,
            review: None,
        };
        spec.signature = spec.statement().sign(&key)?;
        let draft = BreakGlass::new(&format!("{NAME_PREFIX}{}", spec.nonce), spec);
        let api = Api::<BreakGlass>::all(session.client.clone());
        let made = api.create(&PostParams::default(), &draft).await?;
        let window = parse(&made)?;
        writeln!(
            out,
            "{} is open until {}: everything is on the record",
            plain(&window.name),
            window.ends
        )?;
        eprintln!(
            "end it early: kubectl countersign admin break-glass end {}",
            plain(&window.name)
        );
        Ok(Outcome::Yes)
    }
}

fn nonce() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).context("no random bytes")?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
