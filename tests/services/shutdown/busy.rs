//! A signal amid thousands of events.

use super::*;

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "ledger/closed")]
struct LedgerClosed {
    booked: usize,
}

/// What is in flight: so many published, and so many whose report somebody awaits.
const PUBLISHED: usize = 8_000;
const EMITTED: usize = 2_000;

/// How often each event was heard by one listener.
#[derive(Clone)]
struct Tally(Rc<RefCell<Vec<u32>>>);

impl Tally {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(vec![0; PUBLISHED + EMITTED])))
    }

    fn heard(&self, id: usize) {
        self.0.borrow_mut()[id] += 1;
    }

    /// How many were heard once.
    fn once(&self) -> usize {
        self.0.borrow().iter().filter(|heard| **heard == 1).count()
    }
}

/// Where a listener stands still until the signal has come, so that it comes while the rest waits.
#[derive(Clone)]
struct Gate {
    at: usize,
    open: watch::Receiver<bool>,
}

impl Gate {
    async fn pass(&mut self, id: usize, who: &str) {
        if id == self.at {
            say(&format!("{who} has come to its gate"));
            self.open.wait_for(|open| *open).await.unwrap();
        }
        tokio::task::yield_now().await;
    }
}

#[derive(BaseService)]
#[service(on(OrderPlaced), stop = close)]
struct Billing {
    booked: Tally,
    gate: Gate,
    bus: EventBus,
}

impl Billing {
    fn close(&mut self) -> impl Future<Output = Handled> + use<> {
        let (booked, bus) = (self.booked.clone(), self.bus.clone());
        async move { Ok(bus.publish(LedgerClosed { booked: booked.once() })?) }
    }
}

impl Handler<Heard<OrderPlaced>> for Billing {
    type Result = ResponseFuture<Handled>;

    fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Self::Result {
        let (booked, mut gate) = (self.booked.clone(), self.gate.clone());
        Box::pin(async move {
            gate.pass(order.id, "billing").await;
            booked.heard(order.id);
            Ok(())
        })
    }
}

/// Has thousands of events in flight when the signal comes, and says what has become of them.
async fn busy(seed: u64) {
    let signal = shutdown_signal().or_exit_after(2 * LONG);
    let mut seen = shutdown_signal().never_exit();
    let random = |nth: u64| (nth + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32) as usize % PUBLISHED;
    let (open, is_open) = watch::channel(false);
    let gate = |nth| Gate { at: random(nth), open: is_open.clone() };

    let bus = EventBus::builder().capacity(PUBLISHED + EMITTED).listener_timeout(LONG).build();
    let (logged, mailed, booked, closed) = (Tally::new(), Tally::new(), Tally::new(), Rc::new(RefCell::new(vec![])));
    let tally = logged.clone();
    let _log = bus.on(move |order: &OrderPlaced| tally.heard(order.id)).unwrap();
    let (tally, passing) = (mailed.clone(), gate(1));
    let mail = async move |order: Arc<OrderPlaced>| {
        passing.clone().pass(order.id, "mail").await;
        tally.heard(order.id);
    };
    let _mail = bus.on(mail).unwrap();
    let books = closed.clone();
    let _closed = bus.on(move |ledger: &LedgerClosed| books.borrow_mut().push(ledger.booked)).unwrap();
    let (tally, passing) = (booked.clone(), gate(1_000_000));
    let billing = move |bus| Billing { booked: tally.clone(), gate: passing.clone(), bus };
    let billing = Billing::supervised(&bus, billing).drain_timeout(LONG).stop_timeout(LONG);
    let services = Services::new(&bus).add(billing).drain_timeout(LONG).stop_timeout(LONG).await.unwrap();

    for id in 0..PUBLISHED {
        bus.publish(OrderPlaced { id }).unwrap();
    }
    let emit = |id| {
        let bus = bus.clone();
        actix_rt::spawn(async move { bus.emit(OrderPlaced { id }).await.is_ok() })
    };
    let emissions: Vec<_> = (PUBLISHED..PUBLISHED + EMITTED).map(emit).collect();
    actix_rt::spawn(async move {
        seen.wait().await;
        open.send_replace(true);
    });

    let report = services.run_until(signal).await;
    let mut answered = 0;
    for emission in emissions {
        answered += usize::from(emission.await.unwrap());
    }
    say(&format!(
        "logged {}, mailed {}, booked {}, answered {answered}, closed with {:?}, {} dead letters; clean: {}, hurried: {}",
        logged.once(),
        mailed.once(),
        booked.once(),
        closed.borrow(),
        bus.dead_letters().len(),
        report.is_clean(),
        report.hurried,
    ));
}

#[test]
fn a_signal_amid_thousands_of_events_loses_none() {
    if let Some(seed) = child() {
        return application(busy(seed));
    }
    let runs = if std::env::var_os("CONVOKE_FULL").is_some() { 100 } else { 20 };
    for seed in 0..runs {
        let mut application = Application::start("busy::a_signal_amid_thousands_of_events_loses_none", seed);
        application.says("come to its gate").says("come to its gate");
        application.signal(if seed % 2 == 0 { Signal::TERM } else { Signal::INT });
        let all = PUBLISHED + EMITTED;
        let expected = format!(
            "logged {all}, mailed {all}, booked {all}, answered {EMITTED}, closed with [{all}], 0 dead letters; \
             clean: true, hurried: false"
        );
        let (status, seen) = application.ends();
        assert!(status.code() == Some(0) && seen.contains(&expected), "seed {seed}: {status}\n{seen}");
    }
}
