//! What people do at the centre.

use super::group::Touched;
use super::take::bucket_of;
use super::{Centre, CentreError};
use crate::message::Told;
use ot_engine::{Action, Command};
use postgres::types::Json;

impl Centre {
    /// Does what a person asks for; what it did, or why not, in words. A command that is done already is not done again.
    ///
    /// # Errors
    /// Where the database is away.
    pub fn act(&mut self, command: &Command) -> Result<Result<String, String>, CentreError> {
        let detail = match &command.action {
            Action::SetStatus(status) => status.as_str().to_owned(),
            Action::Comment(text) => text.clone(),
            Action::Learn(_) | Action::Unlearn | Action::Mute | Action::Unmute => {
                return Ok(Err(
                    "learning and muting change what a sensor tells: do it at the sensor, whose page the alert \
                               links to; the centre follows"
                        .to_owned(),
                ));
            }
            _ => {
                return Ok(Err(
                    "the centre has no baseline, devices or plans of its own: do it at the sensor".to_owned()
                ));
            }
        };
        let Some(id) = command.alert.clone() else { return Ok(Err("names no alert".to_owned())) };
        if [&detail, &command.who, &command.why].iter().any(|text| text.contains('\0')) {
            return Ok(Err("holds a zero byte".to_owned()));
        }
        self.transact(|centre| centre.act_on(&id, command, &detail))
    }

    fn act_on(&mut self, id: &str, command: &Command, detail: &str) -> Result<Result<String, String>, CentreError> {
        let rows = self.rows(
            "SELECT id, told, bucket, first_detection, sensor, shown FROM alert
             WHERE shown = (SELECT shown FROM alert WHERE id = $1)",
            &[&id],
        )?;
        if rows.is_empty() {
            return Ok(Err(format!("no alert {id} at the centre")));
        }
        let number = i64::try_from(command.id).unwrap_or(i64::MAX);
        let new = self.run(
            "INSERT INTO act (number, alert, action, detail, who, why, wall_time, command)
             SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3, $4, $5, $6, $7 FROM act ON CONFLICT DO NOTHING",
            &[&id, &command.action.id(), &detail, &command.who, &command.why, &command.wall_time.0, &number],
        )?;
        if new == 0 {
            return Ok(Ok(command.action.past().to_owned()));
        }
        let mut touched = Touched::default();
        let (mut ids, mut buckets, mut sensors, mut times) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            let (id, Json(told), bucket): (String, Json<Told>, String) = (row.get(0), row.get(1), row.get(2));
            let first_detection: i64 = row.get(3);
            touched.places.insert((bucket, first_detection));
            touched.shown.extend(row.get::<_, Option<i32>>(5));
            if matches!(command.action, Action::SetStatus(_)) {
                buckets.push(bucket_of(&told.alert, detail));
                sensors.push(row.get(4));
                times.push(first_detection);
                ids.push(id.clone());
            }
            touched.alerts.insert(id);
        }
        if !ids.is_empty() {
            self.apart(&mut buckets, &sensors, &ids.iter().map(String::as_str).collect::<Vec<_>>())?;
            touched.places.extend(buckets.iter().cloned().zip(times));
            self.run(
                "UPDATE alert SET centre_status = $3, bucket = t.b FROM unnest($1::text[], $2::text[]) AS t (i, b)
                 WHERE alert.id = t.i",
                &[&ids, &buckets, &detail],
            )?;
        }
        self.regroup(&touched)?;
        Ok(Ok(command.action.past().to_owned()))
    }

    /// Forgets closed alerts whose last detection is older, some at a time; how many.
    ///
    /// # Errors
    /// As the database's.
    pub fn forget(&mut self, before: i64) -> Result<u64, CentreError> {
        self.transact(|centre| {
            let rows = centre.rows(
                "SELECT a.shown FROM alert a WHERE a.shown IN (
                     SELECT shown FROM alert WHERE last_detection < $1 AND COALESCE(centre_status, status) = 'closed'
                     ORDER BY last_detection LIMIT 500)
                 GROUP BY a.shown
                 HAVING MAX(a.last_detection) < $1 AND BOOL_AND(COALESCE(a.centre_status, a.status) = 'closed')",
                &[&before],
            )?;
            let numbers: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
            if numbers.is_empty() {
                return Ok(0);
            }
            for sql in [
                "DELETE FROM act WHERE alert IN (SELECT id FROM alert WHERE shown = ANY($1))",
                "DELETE FROM message WHERE alert IN (SELECT id FROM alert WHERE shown = ANY($1))",
                "DELETE FROM alert WHERE shown = ANY($1)",
            ] {
                centre.run(sql, &[&numbers])?;
            }
            centre.run(
                "UPDATE shown SET gone = TRUE, changed = nextval('change_number') WHERE number = ANY($1)",
                &[&numbers],
            )
        })
    }
}
