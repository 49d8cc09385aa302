//! What is left out of the hash, and what already of the no-op test: one table.

/// One value that is left out.
#[derive(Clone, Copy, Debug)]
pub struct Omission {
    /// API version and kind that the row holds for; all when `None`.
    pub of: Option<(&'static str, &'static str)>,
    /// JSON pointer of the value; `*` is any element of a list.
    pub pointer: &'static str,
    /// When it is left out.
    pub when: When,
}

/// When, and from what, a value is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always, also from the no-op test: the API server owns it.
    ServerOwned,
    /// Always from the hash: the binding's target holds it.
    Identity,
    /// Always from the hash: a controller of the control plane numbers its own work here.
    Counter,
    /// From the hash when this client is the writer; by anybody else it would hijack who prunes the object.
    OwnerMark(GitOpsClient),
    /// From the hash when the API server chose the value and the client did not send it.
    ServerChosen(Proof),
}

/// A GitOps client whose writes carry marks of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GitOpsClient {
    /// Flux's kustomize-controller.
    FluxKustomize,
    /// Flux's helm-controller.
    FluxHelm,
    /// Argo CD.
    ArgoCd,
    /// Helm itself.
    Helm,
}

/// How it is known that the API server chose a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// CREATE and UPDATE: `managedFields` knows the fields around the value, no entry owns the value, and the old
    /// object has none in its place. The elements of a list are told apart by these keys, else by position.
    Unowned(&'static [&'static str]),
    /// CREATE: the value is the object's own uid.
    OwnUid,
    /// CREATE: the one volume `kube-api-access-<5 letters or digits>` that no entry of `managedFields` owns.
    AccessVolume,
    /// CREATE: the API server overwrites what a client sends.
    Overwritten,
    /// CREATE and UPDATE: the API server puts its present time where the client sends none, and `managedFields` has both
    /// alike. Nothing is permitted by it.
    Moment,
}

const SERVICE: Option<(&str, &str)> = Some(("v1", "Service"));
const JOB: Option<(&str, &str)> = Some(("batch/v1", "Job"));
const SIGNING_REQUEST: Option<(&str, &str)> = Some(("certificates.k8s.io/v1", "CertificateSigningRequest"));
const POD: Option<(&str, &str)> = Some(("v1", "Pod"));

const fn row(of: Option<(&'static str, &'static str)>, pointer: &'static str, when: When) -> Omission {
    Omission { of, pointer, when }
}

const fn server_owned(pointer: &'static str) -> Omission {
    row(None, pointer, When::ServerOwned)
}

const fn identity(pointer: &'static str) -> Omission {
    row(None, pointer, When::Identity)
}

const fn mark(client: GitOpsClient, pointer: &'static str) -> Omission {
    row(None, pointer, When::OwnerMark(client))
}

const fn chosen(of: Option<(&'static str, &'static str)>, pointer: &'static str, proof: Proof) -> Omission {
    row(of, pointer, When::ServerChosen(proof))
}

/// Everything that is left out; docs/spec/resource-hash.md shows the same rows.
pub const OMISSIONS: &[Omission] = &[
    server_owned("/metadata/managedFields"),
    server_owned("/metadata/resourceVersion"),
    server_owned("/metadata/generation"),
    server_owned("/metadata/uid"),
    server_owned("/metadata/creationTimestamp"),
    server_owned("/metadata/deletionTimestamp"),
    server_owned("/metadata/deletionGracePeriodSeconds"),
    server_owned("/metadata/selfLink"),
    server_owned("/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"),
    identity("/apiVersion"),
    identity("/kind"),
    identity("/metadata/name"),
    identity("/metadata/namespace"),
    identity("/metadata/generateName"),
    row(
        Some(("apps/v1", "Deployment")),
        "/metadata/annotations/deployment.kubernetes.io~1revision",
        When::Counter,
    ),
    mark(
        GitOpsClient::FluxKustomize,
        "/metadata/labels/kustomize.toolkit.fluxcd.io~1name",
    ),
    mark(
        GitOpsClient::FluxKustomize,
        "/metadata/labels/kustomize.toolkit.fluxcd.io~1namespace",
    ),
    mark(
        GitOpsClient::FluxHelm,
        "/metadata/labels/helm.toolkit.fluxcd.io~1name",
    ),
    mark(
        GitOpsClient::FluxHelm,
        "/metadata/labels/helm.toolkit.fluxcd.io~1namespace",
    ),
    mark(
        GitOpsClient::FluxHelm,
        "/metadata/annotations/meta.helm.sh~1release-name",
    ),
    mark(
        GitOpsClient::FluxHelm,
        "/metadata/annotations/meta.helm.sh~1release-namespace",
    ),
    mark(
        GitOpsClient::FluxHelm,
        "/metadata/labels/app.kubernetes.io~1managed-by",
    ),
    mark(GitOpsClient::FluxHelm, "/metadata/labels/helm.sh~1chart"),
    mark(
        GitOpsClient::ArgoCd,
        "/metadata/annotations/argocd.argoproj.io~1tracking-id",
    ),
    mark(
        GitOpsClient::ArgoCd,
        "/metadata/annotations/argocd.argoproj.io~1installation-id",
    ),
    mark(
        GitOpsClient::ArgoCd,
        "/metadata/labels/app.kubernetes.io~1managed-by",
    ),
    mark(GitOpsClient::ArgoCd, "/metadata/labels/helm.sh~1chart"),
    mark(
        GitOpsClient::Helm,
        "/metadata/annotations/meta.helm.sh~1release-name",
    ),
    mark(
        GitOpsClient::Helm,
        "/metadata/annotations/meta.helm.sh~1release-namespace",
    ),
    mark(
        GitOpsClient::Helm,
        "/metadata/labels/app.kubernetes.io~1managed-by",
    ),
    mark(GitOpsClient::Helm, "/metadata/labels/helm.sh~1chart"),
    chosen(SERVICE, "/spec/clusterIP", Proof::Unowned(&[])),
    chosen(SERVICE, "/spec/clusterIPs/*", Proof::Unowned(&[])),
    chosen(SERVICE, "/spec/healthCheckNodePort", Proof::Unowned(&[])),
    chosen(
        SERVICE,
        "/spec/ports/*/nodePort",
        Proof::Unowned(&["port", "protocol"]),
    ),
    // Labels that the pod template lends to a Job that has none.
    chosen(
        JOB,
        "/metadata/labels/batch.kubernetes.io~1controller-uid",
        Proof::OwnUid,
    ),
    chosen(JOB, "/metadata/labels/controller-uid", Proof::OwnUid),
    chosen(
        JOB,
        "/spec/selector/matchLabels/batch.kubernetes.io~1controller-uid",
        Proof::OwnUid,
    ),
    chosen(JOB, "/spec/selector/matchLabels/controller-uid", Proof::OwnUid),
    chosen(
        JOB,
        "/spec/template/metadata/labels/batch.kubernetes.io~1controller-uid",
        Proof::OwnUid,
    ),
    chosen(
        JOB,
        "/spec/template/metadata/labels/controller-uid",
        Proof::OwnUid,
    ),
    chosen(POD, "/spec/volumes/*/name", Proof::AccessVolume),
    chosen(POD, "/spec/containers/*/volumeMounts/*/name", Proof::AccessVolume),
    chosen(
        POD,
        "/spec/initContainers/*/volumeMounts/*/name",
        Proof::AccessVolume,
    ),
    chosen(
        SIGNING_REQUEST,
        "/spec/extra/authentication.kubernetes.io~1credential-id",
        Proof::Overwritten,
    ),
    // The moment of the attempt itself: without these rows no attempt is the one that was approved.
    chosen(
        SIGNING_REQUEST,
        "/status/conditions/*/lastUpdateTime",
        Proof::Moment,
    ),
    chosen(
        SIGNING_REQUEST,
        "/status/conditions/*/lastTransitionTime",
        Proof::Moment,
    ),
    chosen(
        Some(("v1", "PersistentVolume")),
        "/status/lastPhaseTransitionTime",
        Proof::Overwritten,
    ),
];

/// What is left out of the options of a call before they are hashed: spelling, and what can only make it fail.
pub const OPTION_OMISSIONS: [&str; 4] = ["apiVersion", "kind", "preconditions", "dryRun"];

/// Whether a difference here is none to the no-op test.
pub(super) fn is_server_owned(pointer: &str) -> bool {
    OMISSIONS
        .iter()
        .any(|row| row.when == When::ServerOwned && row.pointer == pointer)
}

/// Whether the granule tells only which object this is.
pub fn is_identity(pointer: &str) -> bool {
    OMISSIONS
        .iter()
        .any(|row| row.when == When::Identity && row.pointer == pointer)
}

/// Whether the whole granule is left out of the hash.
pub(super) fn is_omitted(pointer: &str, kind: (&str, &str), writer: Option<GitOpsClient>) -> bool {
    OMISSIONS
        .iter()
        .filter(|row| row.pointer == pointer && row.of.is_none_or(|of| of == kind))
        .any(|row| match row.when {
            When::ServerOwned | When::Identity | When::Counter => true,
            When::OwnerMark(client) => writer == Some(client),
            When::ServerChosen(_) => false,
        })
}

/// Pointers and proofs of what the API server may choose in this kind.
pub(super) fn choices(kind: (&str, &str)) -> impl Iterator<Item = (&'static str, Proof)> {
    OMISSIONS
        .iter()
        .filter(move |row| row.of == Some(kind))
        .filter_map(|row| match row.when {
            When::ServerChosen(proof) => Some((row.pointer, proof)),
            _ => None,
        })
}
