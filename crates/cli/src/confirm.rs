//! The question before something is done.

use std::io::{self, BufRead};

/// Whether the person says yes to doing this, in full.
pub fn confirmed(deed: &str, answers: &mut impl BufRead) -> io::Result<bool> {
    eprint!("\n{deed}? Type yes: ");
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_yes_confirms() {
        for (answer, yes) in [
            ("yes\n", true),
            ("y\n", false),
            ("\n", false),
            ("", false),
            ("yes please", false),
        ] {
            assert_eq!(
                confirmed("Approve this", &mut answer.as_bytes()).unwrap(),
                yes,
                "{answer:?}"
            );
        }
    }
}
