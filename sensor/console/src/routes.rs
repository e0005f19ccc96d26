//! The one list of all routes.

use crate::route::Route;
use crate::{api, pages};

/// All routes.
pub fn all() -> impl Iterator<Item = &'static Route> {
    [
        api::alerts::ROUTES,
        api::devices::ROUTES,
        api::import::ROUTES,
        api::maintenance::ROUTES,
        api::map::ROUTES,
        api::baseline::ROUTES,
        api::questions::ROUTES,
        api::system::ROUTES,
        api::watched::ROUTES,
        pages::sign_in::ROUTES,
        pages::overview::ROUTES,
        pages::alerts::ROUTES,
        pages::alert::ROUTES,
        pages::devices::ROUTES,
        pages::import::ROUTES,
        pages::maintenance::ROUTES,
        pages::map::ROUTES,
        pages::events::ROUTES,
        pages::baseline::ROUTES,
        pages::mining::ROUTES,
        pages::reference::ROUTES,
        pages::health::ROUTES,
        pages::users::ROUTES,
        pages::assets::ROUTES,
    ]
    .into_iter()
    .flatten()
}
