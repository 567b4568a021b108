//! A value that is there but seldom, in a record of which there are very many.

use std::{collections::BTreeMap, ops::Deref};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value of which nearly all are the usual one, as with no headers or no name: that takes a pointer, and only another
/// one a place of its own.
///
/// It reads as the value itself and is stored as that. It is never the usual one in a place of its own, so that equal
/// values are equal here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seldom<T>(Option<Box<T>>);

/// What has a value that goes without saying.
pub trait Usual: PartialEq + Sized + 'static {
    /// That value.
    const USUAL: &'static Self;
}

impl<T: PartialEq + 'static> Usual for Option<T> {
    const USUAL: &'static Self = &None;
}

impl<T: PartialEq + 'static> Usual for Vec<T> {
    const USUAL: &'static Self = &Self::new();
}

impl<K: PartialEq + 'static, V: PartialEq + 'static> Usual for BTreeMap<K, V> {
    const USUAL: &'static Self = &Self::new();
}

impl<T: Usual + Default> Seldom<T> {
    /// The value, taken out.
    pub fn into_inner(self) -> T {
        self.0.map(|value| *value).unwrap_or_default()
    }

    /// Changes the value in place.
    pub fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut value = std::mem::take(self).into_inner();
        let result = change(&mut value);
        *self = value.into();
        result
    }
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Usual> From<T> for Seldom<T> {
    fn from(value: T) -> Self {
        Self((value != *T::USUAL).then(|| Box::new(value)))
    }
}

impl<T: Usual> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::USUAL)
    }
}

impl<T: Usual + Serialize> Serialize for Seldom<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de, T: Usual + Deserialize<'de>> Deserialize<'de> for Seldom<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_value_takes_a_pointer_alone_however_it_came_to_be() {
        assert_eq!(size_of::<Seldom<Vec<u64>>>(), size_of::<usize>());
        let mut numbers = Seldom::from(vec![1, 2]);
        assert_eq!((numbers.len(), numbers.0.is_some()), (2, true));
        numbers.change(Vec::clear);
        assert!(numbers.is_empty() && numbers.0.is_none());
        assert_eq!(numbers, Seldom::default());
        assert_eq!(Seldom::<Option<u8>>::from(None), Seldom::default());
        assert_eq!(*Seldom::from(Some(0)), Some(0));
        assert_eq!(Seldom::from(vec![3]).into_inner(), [3]);
    }

    #[test]
    fn it_is_stored_as_the_value_itself() {
        for value in [BTreeMap::new(), BTreeMap::from([("a".to_owned(), 1)])] {
            let stored = serde_json::to_string(&value).unwrap();
            let kept: Seldom<BTreeMap<String, i32>> = serde_json::from_str(&stored).unwrap();
            assert_eq!((&*kept, serde_json::to_string(&kept).unwrap()), (&value, stored));
        }
    }
}
