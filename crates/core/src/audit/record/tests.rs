use super::*;

const VERDICTS: [Verdict; 3] = [Verdict::Allow, Verdict::Deny, Verdict::RequireApproval];

#[test]
fn a_verdict_is_called_what_its_record_says() {
    for verdict in VERDICTS {
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
    }
}
