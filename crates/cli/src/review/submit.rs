//! A review on its way into the cluster: what is stored must say what was sent.

use anyhow::bail;
use countersign_api::ApprovalReview;
use countersign_core::{plain::plain, review::ReviewDecision};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};

/// Makes the review, and makes sure that the one that is stored says the same.
pub async fn submit(api: &Api<ApprovalReview>, draft: &ApprovalReview) -> anyhow::Result<ApprovalReview> {
    let stored = api.create(&PostParams::default(), draft).await?;
    let Some(difference) = rewritten(draft, &stored) else {
        return Ok(stored);
    };
    let undone = take_back(api, &stored).await;
    bail!(
        "THE REVIEW WAS CHANGED ON ITS WAY by something else in the API server: {difference}. {undone}. Tell an admin: \
         kubectl get mutatingadmissionpolicies,mutatingwebhookconfigurations"
    )
}

/// Where the review that was stored says something else than the one that was sent.
pub(super) fn rewritten(sent: &ApprovalReview, stored: &ApprovalReview) -> Option<String> {
    let said = |review: &ApprovalReview| {
        let spec = &review.spec;
        [
            ("spec.ticketRef.name", spec.ticket_ref.name.clone()),
            ("spec.ticketRef.uid", spec.ticket_ref.uid.clone()),
            ("spec.bindingHash", spec.binding_hash.clone()),
            ("spec.decision", spec.decision.as_str().to_owned()),
            ("spec.proof", spec.proof.signature.clone().unwrap_or_default()),
        ]
    };
    let pairs = said(sent).into_iter().zip(said(stored));
    let differences: Vec<_> = pairs
        .filter(|((_, sent), (_, stored))| sent != stored)
        .map(|((field, sent), (_, stored))| {
            format!("{field} was `{}` and is `{}`", plain(&sent), plain(&stored))
        })
        .collect();
    (!differences.is_empty()).then(|| differences.join(", "))
}

/// Denies what an approval approves that nobody gave; what was done, in words.
async fn take_back(api: &Api<ApprovalReview>, stored: &ApprovalReview) -> String {
    let ticket = plain(&stored.spec.ticket_ref.name);
    if stored.spec.decision != ReviewDecision::Approve {
        return format!("Ticket `{ticket}` was not approved by you");
    }
    let mut denial = stored.clone();
    denial.metadata = ObjectMeta {
        generate_name: Some("take-back-".to_owned()),
        ..ObjectMeta::default()
    };
    denial.status = None;
    denial.spec.decision = ReviewDecision::Deny;
    denial.spec.reason = Some("the approval was changed on its way".to_owned());
    (denial.spec.reviewer, denial.spec.stamp) = (None, None);
    match api.create(&PostParams::default(), &denial).await {
        Ok(taken) if rewritten(&denial, &taken).is_none() => format!("Ticket `{ticket}` is denied again"),
        Ok(_) => format!("TICKET `{ticket}` MAY BE APPROVED: the denial was changed, too"),
        Err(error) => format!(
            "TICKET `{ticket}` MAY BE APPROVED, and it could not be denied: {}",
            plain(&error.to_string())
        ),
    }
}
