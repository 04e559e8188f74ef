//! A service that is started by the wrong name where the method of actix is not in scope.

use convoke::prelude::*;

#[derive(BaseService)]
struct Plain;

fn main() {
    let _ = Plain.start();
}
