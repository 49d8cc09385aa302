//! A passcode that somebody typed: what may be one, how strong it is, and the key that it leads to.

use anyhow::{Context, bail};
use argon2::{Algorithm, Argon2, Params, Version};
use countersign_core::emergency::passcode::{Cost, SALT_BYTES};
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;
use zxcvbn::{Score, feedback::Feedback, zxcvbn};

use crate::terminal;

/// The most bytes of a passcode.
const MAX_BYTES: usize = 1024;

/// The fewest characters of a new one.
const MIN_CHARACTERS: usize = 12;

/// How many bytes a key is derived from.
const SEED_BYTES: usize = 32;

/// A passcode; it is wiped from memory when it is dropped, and never shown.
#[derive(PartialEq, Eq)]
pub struct Typed(Zeroizing<String>);

impl Typed {
    /// Asks for it at the terminal.
    pub async fn ask(prompt: &str) -> anyhow::Result<Self> {
        Self::read(terminal::ask(prompt).await?)
    }

    fn read(text: Zeroizing<String>) -> anyhow::Result<Self> {
        if text.is_empty() {
            bail!("the passcode is empty");
        }
        if text.len() > MAX_BYTES {
            bail!("the passcode has more than {MAX_BYTES} bytes: was something else pasted?");
        }
        if text.chars().any(char::is_control) {
            bail!("the passcode has a control character, such as a tab or a line end: type it again");
        }
        Ok(Self(text))
    }

    /// Refuses what somebody would guess who can read the Secret, and so is not counted.
    pub fn check_strength(&self) -> anyhow::Result<()> {
        let characters = self.0.chars().count();
        if characters < MIN_CHARACTERS {
            bail!("the passcode has {characters} characters, and {MIN_CHARACTERS} are the least");
        }
        let entropy = zxcvbn(&self.0, &["countersign", "kubernetes", "passcode"]);
        if entropy.score() < Score::Four {
            let why = entropy.feedback().and_then(Feedback::warning);
            let why = why.map_or_else(String::new, |why| format!(" {why}"));
            bail!(
                "the passcode is too easy to guess.{why} Use five or more words that have nothing to do with each other"
            );
        }
        Ok(())
    }

    /// The key that it leads to.
    pub fn derive(&self, salt: &[u8; SALT_BYTES], cost: Cost) -> anyhow::Result<SigningKey> {
        let params = Params::new(
            cost.memory_kib,
            cost.iterations,
            cost.parallelism,
            Some(SEED_BYTES),
        );
        let params = params.ok().context("the Secret's parameters cannot be used")?;
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(self.0.as_bytes(), salt, seed.as_mut_slice())
            .ok()
            .with_context(|| {
                format!(
                    "no key can be derived: are {} KiB of memory free?",
                    cost.memory_kib
                )
            })?;
        Ok(SigningKey::from_bytes(&seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Typed, String> {
        Typed::read(Zeroizing::new(text.to_owned())).map_err(|error| error.to_string())
    }

    fn strength(text: &str) -> Result<(), String> {
        read(text)?.check_strength().map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_no_passcode_is_refused() {
        for (text, why) in [
            (String::new(), "the passcode is empty"),
            ("a".repeat(1 << 20), "the passcode has more than 1024 bytes"),
            ("one\ntwo".to_owned(), "the passcode has a control character"),
            ("one\r".to_owned(), "the passcode has a control character"),
            ("\u{1b}[A".to_owned(), "the passcode has a control character"),
        ] {
            let said = read(&text).err().unwrap();
            assert!(said.starts_with(why), "{said}");
        }
        assert!(read(&"a".repeat(1024)).is_ok());
    }

    #[test]
    fn a_new_one_is_hard_to_guess() {
        for (text, why) in [
            ("short", "the passcode has 5 characters"),
            ("passcodepasscode", "the passcode is too easy to guess"),
            ("aaaaaaaaaaaaaaaa", "the passcode is too easy to guess"),
            ("123456789012345", "the passcode is too easy to guess"),
        ] {
            let said = strength(text).unwrap_err();
            assert!(said.starts_with(why), "{text}: {said}");
        }
        assert_eq!(strength("gravel otter lantern sixpence"), Ok(()));
    }

    #[test]
    fn the_same_passcode_leads_to_the_same_key_and_others_to_others() {
        let key = |text: &str, salt: u8| {
            let typed = read(text).unwrap();
            typed.derive(&[salt; SALT_BYTES], Cost::LEAST).unwrap().to_bytes()
        };
        assert_eq!(key("gravel otter", 1), key("gravel otter", 1));
        assert_ne!(key("gravel otter", 1), key("gravel otter", 2));
        assert_ne!(key("gravel otter", 1), key("gravel otter ", 1));
    }
}
