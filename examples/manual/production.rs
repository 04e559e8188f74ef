//! An exporter of metrics.

use std::error::Error;
use std::time::Duration;

use actix_web::get;
use actix_web::web::Data;

fn begin() -> Result<(), Box<dyn Error>> {
    use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

    #[get("/metrics")]
    async fn metrics(prometheus: Data<PrometheusHandle>) -> String {
        prometheus.render()
    }

    // In `main`, before the bus is built; then `.app_data(Data::new(prometheus))` and `.service(metrics)`.
    let prometheus = PrometheusBuilder::new().install_recorder()?;
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
