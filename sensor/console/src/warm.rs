//! What many look at first is made when the console opens, and what somebody looks at is made anew from time to time.

use crate::api;
use crate::app::App;
use crate::problem::Problem;
use ot_views::map::MapQuery;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether a kept answer is to be made anew.
const EVERY: Duration = Duration::from_secs(10);

/// Keeps answers ready for as long as the runtime lives.
pub async fn keep(app: Arc<App>) {
    let first = Arc::clone(&app);
    let mut work = tokio::task::spawn_blocking(move || {
        // Who asks is told what is wrong.
        let _ = begin(&first);
    });
    loop {
        let _ = work.await;
        tokio::time::sleep(EVERY).await;
        let app = Arc::clone(&app);
        work = tokio::task::spawn_blocking(move || {
            app.renew(|app| &app.sums);
            app.renew(|app| &app.maps);
            app.renew(|app| &app.techniques);
            app.renew(|app| &app.learning);
            app.renew(|app| &app.modes);
            app.renew(|app| &app.reports);
        });
    }
}

fn begin(app: &Arc<App>) -> Result<(), Problem> {
    app.readers.read(|reader| {
        api::system::sums(app, reader)?;
        api::map::of(app, reader, MapQuery::default())?;
        crate::pages::reference::counts(app, reader, crate::pages::reference::SPAN)?;
        api::baseline::learns(app, reader)?;
        api::baseline::mode_change(app, reader)?;
        api::maintenance::all_reports(app, reader)?;
        Ok(())
    })
}
