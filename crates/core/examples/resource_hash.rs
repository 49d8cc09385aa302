//! Answers one question a line (JSON) on standard input: what `tests/resource_hash` compares itself with.

use std::io::{self, BufRead, Write as _};

use countersign_core::{
    digest::MacKey,
    hash::{
        GitOpsClient, Granule, HashContext, Pattern, Value, canonical, command_hash, effective_change,
        is_noop,
    },
    object::{Change, Object},
};
use serde::{Deserialize, Serialize, Serializer};

/// What is asked. Objects are texts, since they may be no JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Question {
    Canonical(String),
    Command(String),
    Write(Write),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Write {
    operation: String,
    api_version: String,
    kind: String,
    subresource: String,
    writer: Option<String>,
    ignore: Vec<String>,
    old: Option<String>,
    new: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Text(String),
    Write {
        noop: Answered<bool>,
        effect: Answered<Effect>,
    },
    Refused {
        refused: String,
    },
}

/// An answer, or why there is none.
struct Answered<T>(Result<T, String>);

impl<T: Serialize> Serialize for Answered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(answer) => answer.serialize(serializer),
            Err(refused) => serde_json::json!({ "refused": refused }).serialize(serializer),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Effect {
    granules: Vec<Shown>,
    ignored: Vec<String>,
    resource_hash: String,
    old_hash: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    pointer: String,
    old: Option<String>,
    new: Option<String>,
}

impl From<Granule> for Shown {
    fn from(Granule { pointer, old, new }: Granule) -> Self {
        let text = |value: Option<Value>| value.map(|value| value.to_string());
        Self {
            pointer,
            old: text(old),
            new: text(new),
        }
    }
}

impl Write {
    fn change(&self) -> Result<Change<'_>, String> {
        Ok(match self.operation.as_str() {
            "CREATE" => Change::Create(object(self.new.as_deref())?),
            "UPDATE" => Change::Update {
                old: object(self.old.as_deref())?,
                new: object(self.new.as_deref())?,
            },
            "DELETE" => Change::Delete(Some(object(self.old.as_deref())?)),
            "CONNECT" => Change::Connect(Some(object(self.new.as_deref())?)),
            other => return Err(format!("unknown operation `{other}`")),
        })
    }

    fn writer(&self) -> Option<GitOpsClient> {
        use GitOpsClient::{ArgoCd, FluxHelm, FluxKustomize, Helm};
        let writer = self.writer.as_deref()?;
        [FluxKustomize, FluxHelm, ArgoCd, Helm]
            .into_iter()
            .find(|client| format!("{client:?}") == writer)
    }

    /// Secrets are redacted with the key of the golden vectors.
    fn effect(&self, change: &Change<'_>) -> Result<Effect, String> {
        let patterns: Result<Vec<Pattern>, _> = self.ignore.iter().map(|pattern| pattern.parse()).collect();
        let change = effective_change(
            change,
            &HashContext {
                api_version: &self.api_version,
                kind: &self.kind,
                subresource: &self.subresource,
                writer: self.writer(),
                ignore: &patterns.map_err(|error| error.to_string())?,
                redaction: &MacKey::new([7; 32]),
            },
        )
        .map_err(|error| error.to_string())?;
        Ok(Effect {
            granules: change.granules.into_iter().map(Shown::from).collect(),
            ignored: change.ignored,
            resource_hash: change.resource_hash.to_string(),
            old_hash: change.old_hash.map(|hash| hash.to_string()),
        })
    }
}

fn object(text: Option<&str>) -> Result<Object<'_>, String> {
    Object::parse(text.ok_or("an object is missing")?).map_err(|error| error.to_string())
}

fn answer(question: &Question) -> Answer {
    let text = match question {
        Question::Canonical(text) => canonical(text).map_err(|error| error.to_string()),
        Question::Command(options) => command_hash(Some(&Object::new(options)))
            .map(|hash| hash.to_string())
            .map_err(|error| error.to_string()),
        Question::Write(write) => {
            return match write.change() {
                Ok(change) => Answer::Write {
                    noop: Answered(is_noop(&change).map_err(|error| error.to_string())),
                    effect: Answered(write.effect(&change)),
                },
                Err(refused) => Answer::Refused { refused },
            };
        }
    };
    text.map_or_else(|refused| Answer::Refused { refused }, Answer::Text)
}

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        serde_json::to_writer(&mut out, &answer(&serde_json::from_str(&line?)?))?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
