//! The world as a target, with the rules of `servicenow.md` 1 and 9.

use super::people::Row;
use super::state::is_in_scope;
use super::*;

fn refusal(operation: &str, kind: ErrorKind) -> ConnectorError {
    ConnectorError {
        system: "ServiceNow",
        operation: operation.into(),
        kind,
        hint: None,
        source: None,
    }
}

struct Swept {
    chains: HashMap<TargetId, AvatarChain>,
    world: World,
}

impl SweptChains for Swept {
    fn chain(&self, person: &TargetPerson) -> Option<AvatarChain> {
        *self.world.0.lock().calls.entry("target.chain").or_default() += 1;
        self.chains.get(&person.id).cloned()
    }
}

#[async_trait]
impl AvatarTarget for World {
    fn name(&self) -> &'static str {
        "ServiceNow"
    }

    fn people(&self) -> BoxStream<'_, Result<Vec<TargetPerson>, ConnectorError>> {
        stream::unfold(Some(0), move |page| async move {
            let page = page?;
            if let Err(error) = self.begin("target.people") {
                return Some((Err(error), None));
            }
            let people = self.0.lock().target_page(page);
            let next = (!people.is_empty()).then_some(page + 1);
            Some((Ok(people), next))
        })
        .boxed()
    }

    async fn count(&self) -> Result<u64, ConnectorError> {
        self.begin("target.count")?;
        let state = self.0.lock();
        let listed = state.targets.iter().filter(|target| is_in_scope(target)).count();
        Ok(listed as u64 + state.hidden)
    }

    async fn lookup(&self, wanted: &[TargetLookup]) -> Result<Vec<TargetPerson>, ConnectorError> {
        self.begin("target.lookup")?;
        let is_unsafe = |wanted: &TargetLookup| match wanted {
            TargetLookup::Id(value)
            | TargetLookup::UserName(value)
            | TargetLookup::Mail(value)
            | TargetLookup::EmployeeNumber(value)
            | TargetLookup::SourceKey(value) => value.chars().any(char::is_control),
        };
        if wanted.iter().any(is_unsafe) {
            return Err(refusal("look people up", ErrorKind::Refused));
        }
        let state = self.0.lock();
        Ok(state
            .targets
            .iter()
            .filter(|person| {
                wanted.iter().any(|wanted| match wanted {
                    TargetLookup::Id(id) => fold(id) == person.id.as_str(),
                    TargetLookup::UserName(name) => holds(Some(&person.user_name), name),
                    TargetLookup::Mail(mail) => holds(person.mail.as_ref(), mail),
                    TargetLookup::EmployeeNumber(number) => holds(person.employee_number.as_ref(), number),
                    TargetLookup::SourceKey(key) => holds(person.source_key.as_ref(), key),
                })
            })
            .cloned()
            .collect())
    }

    async fn lookup_in_scope(&self, wanted: &[TargetLookup]) -> Result<Vec<TargetPerson>, ConnectorError> {
        let mut people = AvatarTarget::lookup(self, wanted).await?;
        people.retain(is_in_scope);
        Ok(people)
    }

    async fn sweep_chains(&self, people: SweptPeople<'_>) -> Result<Box<dyn SweptChains>, ConnectorError> {
        self.begin("target.sweep_chains")?;
        let people: Vec<TargetId> = people.map(|(person, _)| person).collect();
        let state = self.0.lock();
        let chains = people.into_iter().map(|person| {
            let chain = state.chain(&person);
            (person, chain)
        });
        Ok(Box::new(Swept {
            chains: chains.collect(),
            world: self.clone(),
        }))
    }

    async fn chains(
        &self,
        people: &[TargetId],
        _: Priority,
    ) -> Result<Vec<(TargetId, AvatarChain)>, ConnectorError> {
        self.begin("target.chains")?;
        let state = self.0.lock();
        Ok(people
            .iter()
            .filter(|person| state.targets.iter().any(|target| &target.id == *person))
            .map(|person| (person.clone(), state.chain(person)))
            .collect())
    }

    async fn displayed(
        &self,
        people: &[TargetId],
    ) -> Result<Vec<(TargetId, Option<PictureId>)>, ConnectorError> {
        self.begin("target.displayed")?;
        let state = self.0.lock();
        Ok(people
            .iter()
            .filter(|person| state.targets.iter().any(|target| &target.id == *person))
            .map(|person| {
                let served = state.chain(person).served;
                (person.clone(), served.map(|served| served.picture))
            })
            .collect())
    }

    async fn download(&self, picture: &PictureId, _: Priority) -> Result<Option<Bytes>, ConnectorError> {
        self.begin("target.download")?;
        self.carry().await;
        let state = self.0.lock();
        let attachment = state.attachments.iter().find(|found| &found.row.id == picture);
        Ok(attachment.map(|found| found.bytes.clone()))
    }

    fn places_to_write(&self, _: &AvatarChain) -> Vec<Place> {
        vec![Place::LIVE_PROFILE, Place::SYS_USER]
    }

    async fn create_record(&self, person: &TargetPerson, place: Place) -> Result<RecordId, ConnectorError> {
        self.begin("target.create_record")?;
        let id = self.0.lock().create_record(&person.id, place);
        self.answer("target.create_record", id)
    }

    async fn upload(
        &self,
        record: &RecordId,
        _: Place,
        photo: Bytes,
        _: &str,
    ) -> Result<StoredPicture, ConnectorError> {
        self.begin("target.upload")?;
        self.carry().await;
        let row = {
            let mut state = self.0.lock();
            let id = state.store(record.clone(), Row::image(photo));
            let stored = state.attachments.iter().find(|found| found.row.id == id);
            stored.expect("just stored").row.clone()
        };
        self.answer("target.upload", row)
    }

    async fn store_as(
        &self,
        record: &RecordId,
        _: Place,
        picture: Bytes,
        form: &StoredForm,
    ) -> Result<StoredPicture, ConnectorError> {
        self.begin("target.store_as")?;
        self.carry().await;
        let row = {
            let mut state = self.0.lock();
            let id = state.store(
                record.clone(),
                Row {
                    bytes: picture,
                    form: form.form,
                    stated_hash: true,
                    scan: Scan::Available,
                },
            );
            let stored = state.attachments.iter_mut().find(|found| found.row.id == id);
            let stored = &mut stored.expect("just stored").row;
            stored.file_name = form.file_name.clone();
            stored.content_type = form.content_type.clone();
            stored.clone()
        };
        self.answer("target.store_as", row)
    }

    fn strays(&self) -> BoxStream<'_, Result<Vec<Stray>, ConnectorError>> {
        let found = self.begin("target.strays").map(|()| {
            let state = self.0.lock();
            let graves = state.graves.iter();
            graves
                .filter_map(|(place, record)| state.stray(*place, record))
                .collect()
        });
        stream::iter([found]).boxed()
    }

    async fn stray(&self, place: Place, record: &RecordId) -> Result<Option<Stray>, ConnectorError> {
        self.begin("target.stray")?;
        Ok(self.0.lock().stray(place, record))
    }

    async fn named(&self, pictures: &[PictureId]) -> Result<Vec<Naming>, ConnectorError> {
        self.begin("target.named")?;
        let state = self.0.lock();
        Ok(state
            .records
            .iter()
            .filter_map(|record| match &record.column {
                Column::Names(picture) if pictures.contains(picture) => Some(Naming {
                    picture: picture.clone(),
                    place: record.place,
                    record: record.id.clone(),
                }),
                _ => None,
            })
            .collect())
    }

    fn column_to_set(&self, _: Place, column: &Column, new: &PictureId) -> Option<PictureId> {
        matches!(column, Column::Names(old) if old != new).then(|| new.clone())
    }

    async fn column(&self, record: &RecordId, place: Place) -> Result<Column, ConnectorError> {
        self.begin("target.column")?;
        let state = self.0.lock();
        let found = state
            .records
            .iter()
            .find(|found| &found.id == record && found.place == place);
        found
            .map(|found| found.column.clone())
            .ok_or_else(|| refusal(&format!("read {place} {record}"), ErrorKind::NotFound))
    }

    async fn set_column(
        &self,
        record: &RecordId,
        place: Place,
        picture: Option<&PictureId>,
    ) -> Result<Column, ConnectorError> {
        self.begin("target.set_column")?;
        self.0.lock().point(record, place, picture);
        let column = picture.cloned().map_or(Column::Empty, Column::Names);
        self.answer("target.set_column", column)
    }

    async fn withdraw_record(&self, record: &RecordId, place: Place) -> Result<(), ConnectorError> {
        self.begin("target.withdraw_record")?;
        self.0
            .lock()
            .records
            .retain(|known| &known.id != record || known.place != place);
        self.answer("target.withdraw_record", ())
    }

    async fn remove(&self, picture: &PictureId) -> Result<(), ConnectorError> {
        self.begin("target.remove")?;
        self.0
            .lock()
            .attachments
            .retain(|attachment| &attachment.row.id != picture);
        self.answer("target.remove", ())
    }

    fn upload_limit(&self) -> u64 {
        self.0.lock().upload_limit
    }

    async fn check(&self) -> Vec<Probe> {
        vec![probe("sign in to ServiceNow", self.begin("target.check"))]
    }

    fn lanes(&self) -> Vec<LaneState> {
        Vec::new()
    }
}
