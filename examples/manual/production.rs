//! An exporter of metrics.

use std::error::Error;
use std::time::Duration;

use actix_web::get;
use actix_web::web::Data;

fn begin() -> Result<(), Box<dyn Error>> {
    use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

    #[get("/metrics")]
    async fn metrics(prometheus: Data<PrometheusHandle>) -> String {
        prometheus.render()
    }

    // In `main`, before the bus is built; then `.app_data(Data::new(prometheus))` and `.service(metrics)`.
    let buckets = [0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 600.0, 3_600.0, 86_400.0];
    let prometheus = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &buckets)?
        .install_recorder()?;
    let upkeep = prometheus.clone();
    actix_web::rt::spawn(async move {
        loop {
            actix_web::rt::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep(); // or histograms grow while nobody asks
        }
    });
    drop(Data::new(prometheus));
    Ok(())
}
