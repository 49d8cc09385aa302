//! `countersign run`: the parts, put together, until the process is told to stop.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use countersign_api::{
    AccessPolicy, BreakGlass, POLICY_NAME, RoleGrant, Team, WriteDelegation, Zone, index::Index,
};
use countersign_cli::Connection;
use countersign_core::mutator::Mutators;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Client, runtime::reflector::ObjectRef};
use prometheus_client::registry::Registry;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};

use crate::{
    admission::Admission,
    audit::{Log, admitted},
    certs::{Callers, ServingTls},
    clock::Clock,
    controllers::{
        Context, Numbers, assess, follow_tasks, gathered, keep_emergencies, keep_intents, keep_namespaces,
        keep_tickets, moved_agents, moved_zones, pin_accounts,
    },
    emergencies::Emergencies,
    enforcement::Enforcement,
    feeds::Feeds,
    installation::{Installation, client},
    keys::Keys,
    metrics::{
        AdmissionMetrics, AuditMetrics, ListenerMetrics, MutatorMetrics, ViolationMetrics,
        WebhookConfigMetrics, registry, strict_mode,
    },
    mutators::watch_mutators,
    quota::Quotas,
    read_access::{Moved, Outcomes, ReadAccess, ReadAccessMetrics, Sources},
    readiness::{Readiness, tell_readiness},
    server::{BodyBudget, Limits, Server, Transport, behind_secret, probes},
    sightings::{Sightings, write_sightings},
    state::State,
    telemetry::{self, LogFormat},
    turns::Turns,
    violations::Violations,
    watch::Freshness,
    webhook,
    webhook_config::{Caller, Endpoint, Plan, WebhookConfigOwner, WebhookUrl},
};

/// The largest review that is read: object and old object of 1.5 MiB each, as much as etcd stores, if every character of
/// them is escaped with six, and what is around them.
pub const MAX_BODY: u32 = 20 * 1024 * 1024;

/// The bytes of all reviews under way.
pub const MAX_BODIES: usize = 128 * 1024 * 1024;

/// The operator's namespace, unless another is named.
const NAMESPACE: &str = "countersign-system";

/// How the operator runs.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Where the API server reaches the webhook, for an operator outside the cluster: https://HOST:PORT. It
    /// listens there. Without it the Service `countersign` of its namespace is named.
    #[arg(long, value_name = "URL")]
    webhook_url: Option<WebhookUrl>,
    /// Folder of the audit log; it must be the same after a restart.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/countersign")]
    data_dir: PathBuf,
    /// Authority, in PEM, of the certificate that the API server shows to webhooks. Without it whoever knows the secret
    /// in the webhook's path may call.
    #[arg(long, value_name = "FILE")]
    webhook_client_ca: Option<PathBuf>,
    /// Address that the webhook listens on; by default that of --webhook-url, or 0.0.0.0:8443.
    #[arg(long, value_name = "ADDRESS")]
    webhook_listen: Option<String>,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    probe_listen: SocketAddr,
    /// Form of the log.
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// What is logged, such as `info,countersign=debug`.
    #[arg(long, value_name = "FILTER", default_value = "info,kube_runtime=warn")]
    log: String,
}

/// Runs the operator until SIGTERM or SIGINT.
pub async fn run(arguments: RunArgs, connection: &Connection) -> anyhow::Result<()> {
    telemetry::init(arguments.log_format, &arguments.log)?;
    // Another provider can only be there if a library put it there, and then it serves as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (client, clock) = client(connection).await?;
    let namespace = connection.namespace.as_deref().unwrap_or(NAMESPACE);
    let cluster = Installation::find(&client, namespace, &arguments.data_dir).await?;
    let mut metrics = registry();
    let directory = arguments.data_dir.join("audit");
    let of_log = || format!("the audit log in `{}`", arguments.data_dir.display());
    let latest_first = admitted(&directory).with_context(of_log)?;
    (latest_first.into_iter().rev()).for_each(|content| cluster.seals.admit(content));
    let log = Log::open(&directory, Timestamp::now(), AuditMetrics::register(&mut metrics));
    let log = log.with_context(of_log)?;
    let operator = Operator::start(&arguments, (client, clock), cluster, log, &mut metrics)?;
    operator.serve(&arguments, metrics).await
}

/// The running parts.
struct Operator {
    admission: Arc<Admission>,
    state: Arc<State>,
    tls: Arc<ServingTls>,
    keys: Keys,
    log: Log,
    readiness: Readiness,
    listener_metrics: ListenerMetrics,
}

impl Operator {
    fn start(
        arguments: &RunArgs,
        (client, clock): (Client, Clock),
        installation: Installation,
        log: Log,
        metrics: &mut Registry,
    ) -> anyhow::Result<Self> {
        let Installation {
            cluster,
            keys,
            latch,
            latched,
            seals,
            vault,
        } = installation;
        let endpoint = endpoint(arguments, &cluster.namespace);
        let certified = arguments.webhook_client_ca.as_deref();
        let callers = certified
            .map(Callers::certified_by)
            .transpose()?
            .unwrap_or_default();
        let tls = Arc::new(ServingTls::new(
            keys.authority()?,
            endpoint.names(),
            callers,
            Timestamp::now(),
        )?);
        let plan = watch::Sender::new(Plan {
            endpoint,
            path_secret: keys.path().current(Timestamp::now()),
            ca_bundle: tls.ca_bundle().to_owned(),
            strict: latched,
            fails_open: Vec::new(),
            operator_namespace: cluster.namespace.to_string(),
            operator: Caller::operator(&cluster),
            startup: Vec::new(),
        });
        let mut index = Index::new(cluster).proving(seals.clone());
        index.set_latched(latched);
        index.set_mutators(Mutators::unknown());
        let watches = KINDS.map(|kind| (kind, Freshness::default()));
        let (sightings, seen) = mpsc::channel(1024);
        let (outcomes, moved) = Outcomes::new();
        let state = Arc::new(State::new(index.snapshot().clone(), watches.to_vec(), clock));
        let feeds = Feeds::new(index, state.clone());
        let owner = WebhookConfigOwner::new(
            &client,
            plan.subscribe(),
            log.clone(),
            WebhookConfigMetrics::register(metrics),
        );
        let context = Arc::new(Context {
            client: client.clone(),
            state: state.clone(),
            seals: seals.clone(),
            permissions: feeds.permission_changes(),
            pending: Arc::default(),
            numbers: Numbers::default(),
            read_access: outcomes,
            enforced: owner.enforced(),
            log: log.clone(),
            turns: Turns::default(),
        });
        let of_mutators = MutatorMetrics::register(metrics);
        let mutators = watch_mutators(client.clone(), feeds.clone(), state.clone(), of_mutators);
        tokio::spawn(mutators);
        let sources = reconcile(&feeds, moved, &watches, &context);
        let read_access = ReadAccess {
            client: client.clone(),
            sources,
            outcomes: context.read_access.clone(),
            metrics: ReadAccessMetrics::register(metrics),
        };
        tokio::spawn(read_access.keep(feeds.changes()));
        tokio::spawn(keep_namespaces(feeds.clone(), vault, context.clone()));
        tokio::spawn(write_sightings(seen, client.clone()));
        let enforcement = Enforcement {
            state: state.clone(),
            feeds,
            latch,
            path: keys.path().clone(),
            plan,
            enforced: context.enforced.clone(),
            client: client.clone(),
            strict: strict_mode(metrics),
        };
        tokio::spawn(enforcement.enforce(owner));
        let violations = Violations::start(client.clone(), ViolationMetrics::register(metrics));
        let quotas = Quotas::new(client.clone(), &state.snapshot().cluster.namespace);
        let emergencies = Emergencies::start((client.clone(), quotas.clone()), state.clone(), metrics);
        let admission = Admission::new(
            (state.clone(), seals),
            (client, quotas, context.turns.tickets.clone()),
            (log.clone(), Sightings::new(sightings), violations, emergencies),
            AdmissionMetrics::register(metrics),
        );
        Ok(Self {
            admission: Arc::new(admission),
            state,
            tls,
            keys,
            log,
            readiness: Readiness::default(),
            listener_metrics: ListenerMetrics::register(metrics),
        })
    }

    async fn serve(self, arguments: &RunArgs, metrics: Registry) -> anyhow::Result<()> {
        let address = listen_address(arguments);
        let webhook = TcpListener::bind(&address)
            .await
            .with_context(|| format!("--webhook-listen {address}"))?;
        let probes = TcpListener::bind(arguments.probe_listen)
            .await
            .with_context(|| format!("--probe-listen {}", arguments.probe_listen))?;
        tracing::info!(webhook = %webhook.local_addr()?, probes = %probes.local_addr()?, "listening");
        let bodies = BodyBudget::new(MAX_BODY, MAX_BODIES, self.listener_metrics.clone());
        let routes = behind_secret(webhook::router(self.admission, bodies), self.keys.path().clone());
        let server = |transport, router| Server {
            transport,
            router,
            limits: Limits::default(),
            metrics: self.listener_metrics.clone(),
        };
        let rotation = self.tls.clone();
        tokio::spawn(async move { rotation.keep_fresh().await });
        tokio::spawn(tell_readiness(self.readiness.clone(), self.state, self.log));
        let (stop, stopped) = watch::channel(false);
        let stopped = move || {
            let mut stopped = stopped.clone();
            // A sender that is gone has stopped as well.
            async move { drop(stopped.wait_for(|stop| *stop).await) }
        };
        let probe_router = probes::router(self.readiness, Arc::new(metrics));
        let serving = tokio::spawn(server(Transport::Tls(self.tls), routes).serve(webhook, stopped()));
        let probing = tokio::spawn(server(Transport::Plain, probe_router).serve(probes, stopped()));
        terminated().await?;
        stop.send_replace(true);
        serving.await?;
        probing.await?;
        Ok(())
    }
}

/// The kinds that decisions depend on, in the order of their watches.
const KINDS: [&str; 11] = [
    "AccessPolicy",
    "Zone",
    "RoleGrant",
    "Team",
    "Agent",
    "WriteDelegation",
    "ApprovalTicket",
    "ApprovalReview",
    "Intent",
    "Namespace",
    "BreakGlass",
];

/// Starts the watches, and the controllers that they feed; what reading is made from.
fn reconcile(
    feeds: &Arc<Feeds>,
    moved: Moved,
    watches: &[(&'static str, Freshness); 11],
    context: &Arc<Context>,
) -> Sources {
    let [
        policies,
        zones,
        grants,
        teams,
        agents,
        delegations,
        tickets,
        reviews,
        intents,
        namespaces,
        emergencies,
    ] = watches;
    let policy = stream::select(gathered(feeds.changes()), gathered(context.enforced.clone()));
    let policy = policy.map(|()| ObjectRef::new(POLICY_NAME));
    let zones_moved = moved_zones(context.pending.clone(), context.state.clone(), feeds.changes());
    let (moved_grants, read_by_agents) = moved.split();
    let agents_moved = moved_agents(context.state.clone(), feeds.changes());
    let agents_moved = stream::select(read_by_agents, agents_moved);
    let (client, state) = (&context.client, context.state.clone());
    let context = || context.clone();
    tokio::spawn(assess::<AccessPolicy>(
        feeds.watch(client, policies.1.clone()),
        policy,
        context(),
    ));
    let zones = feeds.watch(client, zones.1.clone());
    let grants = feeds.watch(client, grants.1.clone());
    let agents = feeds.watch(client, agents.1.clone());
    let sources = Sources {
        state,
        grants: grants.store.clone(),
        agents: agents.store.clone(),
        zones: zones.store.clone(),
    };
    tokio::spawn(assess::<Zone>(zones, zones_moved, context()));
    tokio::spawn(assess::<RoleGrant>(grants, moved_grants, context()));
    tokio::spawn(assess::<Team>(
        feeds.watch(client, teams.1.clone()),
        stream::pending(),
        context(),
    ));
    tokio::spawn(pin_accounts(agents, agents_moved, context()));
    let delegations = feeds.watch(client, delegations.1.clone());
    tokio::spawn(assess::<WriteDelegation>(
        delegations,
        stream::pending(),
        context(),
    ));
    let reviews = feeds.watch(client, reviews.1.clone());
    tokio::spawn(keep_tickets(
        feeds.watch(client, tickets.1.clone()),
        reviews,
        context(),
    ));
    tokio::spawn(keep_intents(feeds.watch(client, intents.1.clone()), context()));
    tokio::spawn(keep_emergencies(
        feeds.watch::<BreakGlass>(client, emergencies.1.clone()),
        context(),
    ));
    tokio::spawn(follow_tasks(context()));
    drop(feeds.watch::<Namespace>(client, namespaces.1.clone()));
    sources
}

fn endpoint(arguments: &RunArgs, namespace: &str) -> Endpoint {
    match &arguments.webhook_url {
        Some(url) => Endpoint::Url(url.clone()),
        None => Endpoint::Service {
            namespace: namespace.to_owned(),
            name: "countersign".to_owned(),
            port: 443,
        },
    }
}

fn listen_address(arguments: &RunArgs) -> String {
    let of_url = || arguments.webhook_url.as_ref().map(WebhookUrl::authority);
    arguments
        .webhook_listen
        .clone()
        .or_else(of_url)
        .unwrap_or_else(|| "0.0.0.0:8443".to_owned())
}

async fn terminated() -> std::io::Result<()> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    Ok(())
}
