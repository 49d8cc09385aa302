//! `admin passcode`: the passcode that opens windows of break-glass. It is typed, a key is derived from it, and it is gone.

mod typed;

use std::{io::Write, time::Duration};

use anyhow::{Context, bail};
use clap::Subcommand;
use countersign_api::{FIELD_MANAGER, access_policy::PasscodeRef};
use countersign_core::emergency::passcode::{Cost, Passcode as Stored, SALT_BYTES, Verifier};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

pub use self::typed::Typed;
use crate::{
    connection::{Session, operator_namespace},
    failure::{Outcome, explain},
};

/// Set or change the passcode of emergencies
///
/// The AccessPolicy names the Secret that keeps it (`passcodeSecretRef`), in the operator's namespace. There is only what
/// a key is derived by, and its public half: the passcode itself is stored nowhere.
/// Where the write needs an approval, the command waits for it.
#[derive(Subcommand, Clone, Copy, Debug)]
pub enum Passcode {
    /// Set the first passcode
    Set,
    /// Put another in the place of the present one, which is asked for
    Rotate,
}

/// How long an approval is waited for.
const PATIENCE: Duration = Duration::from_hours(1);

/// How often it is tried whether it is there.
const TRY: Duration = Duration::from_secs(3);

impl Passcode {
    /// Asks for what has to be typed, and writes what follows from it.
    pub async fn run(self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let secret = PasscodeSecret::find(session).await?;
        let present = secret.read().await?;
        match (self, &present.passcode) {
            (Self::Set, Some(_)) => bail!(
                "{} holds a passcode already: change it with kubectl countersign admin passcode rotate",
                secret.named()
            ),
            (Self::Rotate, None) => {
                bail!(
                    "{} holds no passcode: kubectl countersign admin passcode set",
                    secret.named()
                )
            }
            (Self::Set, None) => {}
            (Self::Rotate, Some(passcode)) => {
                let typed = Typed::ask("Present passcode").await?;
                if Verifier::of(&typed.derive(&passcode.salt, passcode.cost)?).as_ref()
                    != Some(&passcode.verifier)
                {
                    bail!("that is not the present passcode");
                }
            }
        }
        let typed = Typed::ask("New passcode").await?;
        typed.check_strength()?;
        if Typed::ask("The same again").await? != typed {
            bail!("the two are not the same: nothing was changed");
        }
        secret.write(&stored(&typed)?, present.exists).await?;
        writeln!(out, "{} holds the passcode's public half", secret.named())?;
        Ok(Outcome::Yes)
    }
}

fn stored(typed: &Typed) -> anyhow::Result<Stored> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).context("no random bytes")?;
    let key = typed.derive(&salt, Cost::SHIPPED)?;
    Ok(Stored {
        salt,
        cost: Cost::SHIPPED,
        verifier: Verifier::of(&key).context("the key has no text")?,
    })
}

/// Where the passcode is kept.
pub struct PasscodeSecret {
    api: Api<Secret>,
    namespace: String,
    at: PasscodeRef,
}

/// What is there.
pub struct Present {
    exists: bool,
    /// The passcode, if one is set.
    pub passcode: Option<Stored>,
}

impl PasscodeSecret {
    /// The Secret that the policy names.
    pub async fn find(session: &Session) -> anyhow::Result<Self> {
        let policy = session.policy().await?;
        let namespace = operator_namespace(policy.as_ref());
        let at = policy
            .and_then(|policy| policy.spec.passcode_secret_ref)
            .context(
                "the AccessPolicy names no Secret for a passcode, or you may not read it: an admin sets \
             spec.passcodeSecretRef",
            )?;
        Ok(Self {
            api: Api::namespaced(session.client.clone(), &namespace),
            namespace,
            at,
        })
    }

    /// The Secret and the key, for messages.
    pub fn named(&self) -> String {
        format!(
            "Secret `{}` of `{}`, key `{}`",
            self.at.name, self.namespace, self.at.key
        )
    }

    /// What it holds.
    pub async fn read(&self) -> anyhow::Result<Present> {
        let object = self.api.get_opt(&self.at.name).await?;
        let exists = object.is_some();
        let data = object.and_then(|object| object.data).unwrap_or_default();
        let passcode = data.get(&self.at.key).map(|text| Stored::parse(&text.0));
        Ok(Present {
            exists,
            passcode: passcode.transpose().with_context(|| self.named())?,
        })
    }

    /// Writes what is kept, once it may be: a retry is the same write.
    async fn write(&self, stored: &Stored, exists: bool) -> anyhow::Result<()> {
        let (until, mut told) = (Instant::now() + PATIENCE, false);
        loop {
            let Err(error) = self.try_write(&stored.text()?, exists).await else {
                return Ok(());
            };
            let error = anyhow::Error::from(error);
            let said = explain(&error);
            if !said.starts_with("ApprovalRequired: ") || Instant::now() > until {
                return Err(error);
            }
            if !told {
                eprintln!("{said}\nLeave this running: it goes on once somebody has approved.");
                told = true;
            }
            sleep(TRY).await;
        }
    }

    async fn try_write(&self, text: &str, exists: bool) -> kube::Result<Secret> {
        if exists {
            let parameters = PatchParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PatchParams::default()
            };
            let data = json!({ "stringData": { self.at.key.as_str(): text } });
            return self
                .api
                .patch(&self.at.name, &parameters, &Patch::Merge(&data))
                .await;
        }
        let object = Secret {
            metadata: ObjectMeta {
                name: Some(self.at.name.clone()),
                ..ObjectMeta::default()
            },
            data: Some([(self.at.key.clone(), ByteString(text.as_bytes().to_vec()))].into()),
            ..Secret::default()
        };
        self.api.create(&PostParams::default(), &object).await
    }
}
