//! Departments, job titles and groups of the invented company.

use std::sync::Arc;

use uuid::Uuid;

use super::group;
use crate::sandbox::random::Random;
use crate::sandbox::world::directory::Directory;

/// Departments with their titles, the commonest first.
pub(super) const DEPARTMENTS: [(&str, u32, &[&str]); 14] = [
    (
        "Engineering",
        18,
        &[
            "Software Engineer",
            "Senior Software Engineer",
            "Test Engineer",
            "Engineering Manager",
            "Staff Engineer",
        ],
    ),
    (
        "Customer Service",
        15,
        &[
            "Service Agent",
            "Service Desk Analyst",
            "Team Lead",
            "Customer Success Manager",
        ],
    ),
    (
        "Sales",
        14,
        &[
            "Account Executive",
            "Account Manager",
            "Sales Engineer",
            "Regional Sales Director",
        ],
    ),
    (
        "Operations",
        11,
        &[
            "Operations Analyst",
            "Site Manager",
            "Planner",
            "Operations Manager",
        ],
    ),
    (
        "Marketing",
        7,
        &[
            "Brand Manager",
            "Content Designer",
            "Campaign Manager",
            "Market Analyst",
        ],
    ),
    (
        "Finance",
        7,
        &[
            "Accountant",
            "Controller",
            "Financial Analyst",
            "Payroll Specialist",
        ],
    ),
    (
        "IT",
        7,
        &[
            "Systems Administrator",
            "Identity Engineer",
            "Network Engineer",
            "ServiceNow Administrator",
        ],
    ),
    (
        "Human Resources",
        5,
        &[
            "People Partner",
            "Recruiter",
            "Learning Specialist",
            "Benefits Specialist",
        ],
    ),
    (
        "Research & Development",
        5,
        &[
            "Scientist",
            "Senior Scientist",
            "Laboratory Technician",
            "Research Fellow",
        ],
    ),
    (
        "Logistics",
        4,
        &["Dispatcher", "Warehouse Lead", "Fleet Coordinator"],
    ),
    ("Legal", 2, &["Counsel", "Paralegal", "Contracts Manager"]),
    ("Data", 3, &["Data Analyst", "Data Engineer", "Data Scientist"]),
    (
        "Design",
        1,
        &["Product Designer", "Illustrator", "Design Researcher"],
    ),
    ("Procurement", 1, &["Buyer", "Category Manager"]),
];

/// Texts that many people share, kept once.
pub(super) struct Texts {
    departments: Vec<(Arc<str>, Vec<Arc<str>>)>,
    pub(super) chief: Arc<str>,
    pub(super) board: Arc<str>,
}

impl Texts {
    pub(super) fn new() -> Self {
        Self {
            departments: DEPARTMENTS
                .iter()
                .map(|(name, _, titles)| {
                    (
                        Arc::from(*name),
                        titles.iter().map(|title| Arc::from(*title)).collect(),
                    )
                })
                .collect(),
            chief: Arc::from("Chief Executive Officer"),
            board: Arc::from("Executive Office"),
        }
    }

    /// A department by number, and a title in it. Early titles are commoner.
    pub(super) fn job(&self, random: &mut Random) -> (usize, Arc<str>, Arc<str>) {
        let tickets: [(usize, u32); DEPARTMENTS.len()] =
            std::array::from_fn(|number| (number, DEPARTMENTS[number].1));
        let number = random.weighted(&tickets);
        let (department, titles) = &self.departments[number];
        let place = random
            .below(titles.len() as u64)
            .min(random.below(titles.len() as u64));
        (number, department.clone(), titles[place as usize].clone())
    }
}

/// One group for each department that has members, one of groups, and one of people who do not want to be shown.
pub(super) fn add_groups(
    directory: &mut Directory,
    seed: u64,
    departments: Vec<Vec<Uuid>>,
    opted_out: Vec<Uuid>,
) {
    let mut technology = Vec::new();
    for ((name, _, _), members) in DEPARTMENTS.iter().zip(departments) {
        let group = group(seed, name, members, Vec::new());
        if matches!(*name, "Engineering" | "IT" | "Data") {
            technology.push(group.id);
        }
        directory.groups.insert(group.id, group);
    }
    for group in [
        group(seed, "All Technology", Vec::new(), technology),
        group(seed, "Avatar opt-out", opted_out, Vec::new()),
    ] {
        directory.groups.insert(group.id, group);
    }
}
