//! A tenant's catalogue: the event types that it has registered, and those that come with the dialects it speaks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use casewire_actors::registry::{DeleteEventType, PutEventType};
use casewire_data::{
    Result,
    catalogue::{self, RegisteredType, ShippedType, TypeDraft},
    dialect::Dialect,
    event::EventType,
    operational::refuse_reserved,
};

use super::{TenantHandle, nothing};
use crate::engine::gone;

/// What the catalogue has of an event type: it is registered, or shipped, or both, and then the former counts.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogueEntry {
    /// The type.
    pub event_type: EventType,
    /// As the tenant registered it.
    pub registered: Option<Arc<RegisteredType>>,
    /// As it comes with a dialect.
    pub shipped: Option<ShippedType>,
}

impl TenantHandle {
    /// All event types, ascending: those registered, and those of the engine's default dialect and of the dialects of the
    /// tenant's endpoints.
    pub async fn event_types(&self) -> Result<Vec<CatalogueEntry>> {
        let mut entries = BTreeMap::new();
        for shipped in self.spoken().iter().flat_map(|dialect| catalogue::shipped(dialect)) {
            let event_type = shipped.event_type.clone();
            let entry = || CatalogueEntry {
                event_type: event_type.clone(),
                registered: None,
                shipped: Some(shipped),
            };
            entries.entry(event_type.clone()).or_insert_with(entry);
        }
        for registered in self.tree.directory.event_types(&self.name) {
            let event_type = registered.event_type.clone();
            let shipped = entries.remove(&event_type).and_then(|entry: CatalogueEntry| entry.shipped);
            let entry =
                CatalogueEntry { event_type: event_type.clone(), registered: Some(registered), shipped };
            entries.insert(event_type, entry);
        }
        Ok(entries.into_values().collect())
    }

    /// One event type. `NotFound` if it is neither registered nor shipped.
    pub async fn event_type(&self, event_type: &EventType) -> Result<CatalogueEntry> {
        let registered = self.tree.directory.event_type(&self.name, event_type);
        let shipped = self.shipped(event_type).into_iter().next();
        if registered.is_none() && shipped.is_none() {
            return Err(nothing("event type"));
        }
        Ok(CatalogueEntry { event_type: event_type.clone(), registered, shipped })
    }

    /// Registers an event type, in the place of what was registered before; answers it, and whether it is new.
    ///
    /// `Invalid` for a type of the engine's own, which hosts do not publish and no schema is asked about. `Conflict` if the
    /// schema does not fit the sample, the one before, or one that is shipped; not with `force`. From the answer on nothing
    /// is published of the type that does not fit its schema.
    pub async fn put_event_type(
        &self,
        event_type: EventType,
        draft: TypeDraft,
        force: bool,
    ) -> Result<(CatalogueEntry, bool)> {
        refuse_reserved(&event_type)?;
        let shipped = self.shipped(&event_type);
        let samples = shipped.iter().filter_map(|shipped| shipped.sample.clone()).collect();
        let (tenant, by) = (self.name.clone(), self.by.clone());
        let message = PutEventType { tenant, event_type: event_type.clone(), draft, samples, force, by };
        let (registered, is_new) = self.tree.registry.send(message).await.map_err(|_| gone())??;
        let shipped = shipped.into_iter().next();
        Ok((CatalogueEntry { event_type, registered: Some(registered), shipped }, is_new))
    }

    /// Takes an event type out of the catalogue, with its schema. What is shipped stays.
    pub async fn delete_event_type(&self, event_type: EventType) -> Result<()> {
        let message = DeleteEventType { tenant: self.name.clone(), event_type, by: self.by.clone() };
        self.tree.registry.send(message).await.map_err(|_| gone())?
    }

    /// What the dialects that the tenant speaks ship of a type.
    fn shipped(&self, event_type: &EventType) -> Vec<ShippedType> {
        self.spoken().iter().filter_map(|dialect| catalogue::shipped_type(dialect, event_type)).collect()
    }

    /// The default dialect, then those of the tenant's endpoints.
    fn spoken(&self) -> Vec<Arc<Dialect>> {
        let config = &self.tree.config;
        let endpoints = self.tree.directory.endpoints(&self.name);
        let mut others: BTreeSet<&str> = endpoints.iter().map(|endpoint| &*endpoint.dialect).collect();
        others.remove(config.default_dialect.as_str());
        let all = std::iter::once(config.default_dialect.as_str()).chain(others);
        all.filter_map(|id| config.dialects.get(id).ok()).collect()
    }
}
