//! The world as a source of photos.

use super::people::Photo;
use super::*;

#[async_trait]
impl PhotoSource for World {
    fn name(&self) -> &'static str {
        "Entra ID"
    }

    fn people(&self) -> BoxStream<'_, Result<Vec<SourcePerson>, ConnectorError>> {
        stream::unfold(Some(0), move |page| async move {
            let page = page?;
            if let Err(error) = self.begin("source.people") {
                return Some((Err(error), None));
            }
            let people = self.0.lock().source_page(page);
            let next = (!people.is_empty()).then_some(page + 1);
            Some((Ok(people), next))
        })
        .boxed()
    }

    async fn lookup(&self, wanted: &[SourceLookup]) -> Result<Vec<SourcePerson>, ConnectorError> {
        self.begin("source.lookup")?;
        let state = self.0.lock();
        let people = state.sources.iter().map(|(person, _)| person);
        Ok(people
            .filter(|person| {
                wanted.iter().any(|wanted| match wanted {
                    SourceLookup::Id(id) => fold(id) == person.id.as_str(),
                    SourceLookup::Principal(name) => holds(Some(&person.principal), name),
                    SourceLookup::Mail(mail) => holds(person.mail.as_ref(), mail),
                    SourceLookup::EmployeeId(id) => holds(person.employee_id.as_ref(), id),
                })
            })
            .cloned()
            .collect())
    }

    async fn group_members(&self, group: &str) -> Result<Vec<SourceId>, ConnectorError> {
        self.begin("source.group_members")?;
        let members = self.0.lock().groups.get(group).cloned();
        members.ok_or_else(|| ConnectorError {
            system: "Entra ID",
            operation: format!("find the group {group}"),
            kind: ErrorKind::NotFound,
            hint: None,
            source: None,
        })
    }

    fn stamps<'a>(
        &'a self,
        people: PeopleToAsk<'a>,
        _: Priority,
    ) -> BoxStream<'a, Result<(SourceId, SourcePhoto), ConnectorError>> {
        stream::iter(people)
            .map(move |person| {
                self.begin("source.stamps")?;
                let state = self.0.lock();
                let photo = state.sources.iter().find(|(found, _)| found.id == person);
                let stamp = match photo.map(|(_, photo)| photo) {
                    None => SourcePhoto::Unreadable("no such person".into()),
                    Some(Photo {
                        unreadable: Some(why),
                        ..
                    }) => SourcePhoto::Unreadable(why.clone()),
                    Some(Photo { bytes: None, .. }) => SourcePhoto::Absent,
                    Some(Photo { etag, .. }) => SourcePhoto::Present(PhotoStamp {
                        etag: etag.clone(),
                        width: 48,
                        height: 48,
                        content_type: "image/jpeg".into(),
                    }),
                };
                Ok((person, stamp))
            })
            .boxed()
    }

    async fn photo(&self, person: &SourceId, _: Priority) -> Result<Option<FetchedPhoto>, ConnectorError> {
        self.begin("source.photo")?;
        self.carry().await;
        let state = self.0.lock();
        let photo = state.sources.iter().find(|(found, _)| &found.id == person);
        Ok(photo.and_then(|(_, photo)| {
            Some(FetchedPhoto {
                bytes: photo.bytes.clone()?,
                etag: photo.etag.clone(),
                content_type: "image/jpeg".into(),
            })
        }))
    }

    fn photo_size(&self) -> String {
        "360x360".into()
    }

    async fn check(&self) -> Vec<Probe> {
        vec![probe("sign in to Entra ID", self.begin("source.check"))]
    }

    fn lanes(&self) -> Vec<LaneState> {
        Vec::new()
    }
}
