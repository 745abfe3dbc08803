//! Puts the questions of findings to the kernel when a run is over: each in the namespace that it is about.

use crate::{
    analysis::fact::{
        Answer, CgroupProgram, Device, Facts, Filter, GONE, Listener, MOST, NO_DEVICE, Neighbour,
        NeighbourTable, PacketRule, Policies, Program, Question, Queue, Route,
    },
    kernel::{
        errno::Errno,
        fact::{
            attached,
            link::{self, Link},
            neighbour, nft, offload,
            program::{self, Program as Loaded},
            route, sysctl, tc, xfrm,
        },
        netns::{self, Netns},
        sockdiag::{self, Which},
    },
};
use netdiag_common::NetnsId;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io,
    net::IpAddr,
};

/// Why a namespace answers nothing where processes are hidden that may hold it.
const UNSEEN: &str = "its namespace is not seen by this process";

/// What the kernel answers to the questions. A namespace that is gone, or that may not be entered, answers nothing, and
/// says why. `counted` are the namespaces whose counters were read for all of their drops.
pub(super) fn fetch(questions: &BTreeSet<Question>, counted: &BTreeSet<NetnsId>) -> Facts {
    let mut facts = Facts::default();
    if questions.is_empty() {
        return facts;
    }
    let mut by_namespace: BTreeMap<Option<NetnsId>, Vec<&Question>> = BTreeMap::new();
    for question in questions.iter().take(MOST) {
        if let Question::Counters { netns } = question {
            if counted.contains(&NetnsId(*netns)) {
                facts.learn(question.clone(), Ok(Answer::Counters));
            }
            continue;
        }
        by_namespace
            .entry(question.netns())
            .or_default()
            .push(question);
    }
    let programs = program::list();
    let (namespaces, all) = netns::list_as_seen().unwrap_or_default();
    for (id, questions) in by_namespace {
        let ask = || -> Vec<_> {
            let mut host = Host::new(&programs);
            let answers = questions.iter().map(|question| host.answer(question));
            answers.collect()
        };
        let found = |namespace: &&Netns| Some(namespace.id) == id;
        let answers = match (id, namespaces.iter().find(found)) {
            (None, _) => ask(),
            (Some(_), Some(namespace)) => netns::enter(namespace, ask)
                .unwrap_or_else(|error| vec![Err(words(&error)); questions.len()]),
            (Some(_), None) => {
                let why = if all { GONE } else { UNSEEN };
                vec![Err(why.to_owned()); questions.len()]
            }
        };
        for (question, answer) in questions.into_iter().zip(answers) {
            facts.learn(question.clone(), answer);
        }
    }
    facts
}

/// An error as people search for it.
fn words(error: &(dyn Error + 'static)) -> String {
    Errno::of(error).map_or_else(|| error.to_string(), |errno| errno.to_string())
}

/// The namespace that the thread is in, with what was asked of it already.
struct Host<'a> {
    programs: &'a io::Result<Vec<Loaded>>,
    links: Option<Result<Vec<Link>, String>>,
}

impl<'a> Host<'a> {
    fn new(programs: &'a io::Result<Vec<Loaded>>) -> Self {
        Self {
            programs,
            links: None,
        }
    }

    fn answer(&mut self, question: &Question) -> Result<Answer, String> {
        let failed = |error: io::Error| words(&error);
        Ok(match question {
            Question::Sysctl { name, device, .. } => {
                Answer::Sysctl(sysctl::read(name, device.as_deref()).map_err(failed)?)
            }
            Question::Device { name, .. } => Answer::Device(Box::new(self.device(name)?)),
            Question::Route {
                to, from, device, ..
            } => Answer::Route(self.route(*to, *from, device.as_deref())?),
            Question::Neighbour { to, .. } => Answer::Neighbour(self.neighbour(*to)?),
            Question::NeighbourTable { version, .. } => {
                let (entries, fulls) = neighbour::table(*version).map_err(failed)?;
                Answer::NeighbourTable(NeighbourTable { entries, fulls })
            }
            Question::PacketRules { .. } => {
                let rules = nft::list().map_err(failed)?;
                Answer::PacketRules(rules.into_iter().map(packet_rule).collect())
            }
            Question::Listeners { port, .. } => {
                let sockets = sockdiag::list(Which::Listening).map_err(|error| words(&error))?;
                let sockets = sockets.into_iter().filter(|socket| socket.sport == *port);
                Answer::Listeners(
                    sockets
                        .map(|socket| Listener {
                            address: socket.local,
                            port: socket.sport,
                            queued: socket.queued,
                            limit: socket.limit,
                            drops: socket.drops,
                        })
                        .collect(),
                )
            }
            // We are in it.
            Question::Namespace { .. } => Answer::Namespace,
            // The run knows.
            Question::Counters { .. } => return Err("it was not read".to_owned()),
            Question::CgroupPrograms => {
                let programs = attached::of_cgroups().map_err(failed)?;
                let programs = programs.into_iter().map(|found| CgroupProgram {
                    cgroup: found.cgroup,
                    egress: found.egress,
                    program: named(self.programs, found.program),
                });
                Answer::CgroupPrograms(programs.collect())
            }
            Question::Policies { .. } => {
                let found = xfrm::policies().map_err(failed)?;
                Answer::Policies(Policies {
                    input: found.input,
                    output: found.output,
                    forward: found.forward,
                })
            }
        })
    }

    fn links(&mut self) -> Result<&[Link], String> {
        let links = self
            .links
            .get_or_insert_with(|| link::list().map_err(|error| words(&error)));
        links.as_deref().map_err(Clone::clone)
    }

    /// The device's index and name.
    fn name_of(&mut self, index: Option<u32>) -> Option<String> {
        let links = self.links().ok()?;
        let found = links.iter().find(|link| Some(link.index) == index)?;
        Some(found.name.clone())
    }

    /// The device's largest packet.
    fn mtu_of(&mut self, index: Option<u32>) -> Option<u32> {
        let links = self.links().ok()?;
        let found = links.iter().find(|link| Some(link.index) == index)?;
        Some(found.mtu)
    }

    fn device(&mut self, name: &str) -> Result<Device, String> {
        let links = self.links()?;
        let found = links.iter().find(|link| link.name == name);
        let link = found.cloned().ok_or(NO_DEVICE)?;
        let above = links.iter().filter(|above| above.below == Some(link.index));
        let vlans = above.filter_map(|above| above.vlan).take(64).collect();
        let vnis = links.iter().filter_map(|link| link.vni).take(64).collect();
        // What follows says more of it, and is left out where the kernel does not tell.
        let addresses = link::addresses().unwrap_or_default();
        let addresses = addresses
            .into_iter()
            .filter(|(index, _)| *index == link.index);
        let queues = tc::queues(link.index).unwrap_or_default();
        let filters = tc::filters(link.index).unwrap_or_default();
        let filters = filters.into_iter().map(|filter| Filter {
            parent: filter.parent.to_owned(),
            kind: filter.kind,
            preference: filter.preference,
            program: filter.program.map(|(id, name)| Program { id, name }),
        });
        let tcx = attached::of_device(link.index).unwrap_or_default();
        let tcx = tcx.into_iter().map(|(egress, id)| Filter {
            parent: if egress { "egress" } else { "ingress" }.to_owned(),
            kind: "tcx".to_owned(),
            preference: 0,
            program: Some(named(self.programs, id)),
        });
        let filters = tcx.chain(filters).take(32).collect();
        let offloads = offload::of(name).unwrap_or_default();
        Ok(Device {
            dev_type: link.arphrd,
            kind: link.kind,
            up: link.up,
            carrier: link.carrier,
            operstate: link::operstate(link.operstate).to_owned(),
            promiscuous: link.promiscuous,
            mtu: link.mtu,
            mac: link.mac,
            addresses: addresses.map(|(_, address)| address).take(16).collect(),
            vlans,
            vnis,
            xdp: link.xdp.map(|id| named(self.programs, id)),
            queues: queues.into_iter().take(32).map(queue).collect(),
            filters,
            offloads: offloads.into_iter().map(str::to_owned).collect(),
        })
    }

    fn route(
        &mut self,
        to: IpAddr,
        from: Option<IpAddr>,
        device: Option<&str>,
    ) -> Result<Route, String> {
        let came_in = match device {
            None => None,
            Some(name) => {
                let links = self.links()?;
                let found = links.iter().find(|link| link.name == name);
                Some(found.ok_or(NO_DEVICE)?.index)
            }
        };
        match route::look_up(to, from, came_in) {
            Ok(found) => Ok(Route {
                kind: route::kind(found.kind).to_owned(),
                device: self.name_of(found.device),
                mtu: self.mtu_of(found.device),
                gateway: found.gateway,
                refused: None,
            }),
            // That it refuses is the answer.
            Err(error) if error.raw_os_error().is_some() && !forbidden(&error) => Ok(Route {
                refused: Some(words(&error)),
                ..Route::default()
            }),
            Err(error) => Err(words(&error)),
        }
    }

    fn neighbour(&mut self, to: IpAddr) -> Result<Neighbour, String> {
        let found = route::look_up(to, None, None).map_err(|error| words(&error))?;
        let address = found.gateway.unwrap_or(to);
        let entries = neighbour::list().map_err(|error| words(&error))?;
        let entry = entries
            .into_iter()
            .find(|entry| entry.address == address && Some(entry.device) == found.device);
        let (state, mac) = match entry {
            Some(entry) => (neighbour::state(entry.state), entry.mac),
            None => ("NONE", None),
        };
        Ok(Neighbour {
            address,
            device: self.name_of(found.device).unwrap_or_default(),
            state: state.to_owned(),
            mac,
        })
    }
}

/// Whether it is the question that the kernel refuses.
fn forbidden(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EPERM | libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::EPROTONOSUPPORT)
    )
}

fn named(programs: &io::Result<Vec<Loaded>>, id: u32) -> Program {
    let known = programs.iter().flatten().find(|program| program.id == id);
    Program {
        id,
        name: known.map_or_else(String::new, |program| program.name.clone()),
    }
}

fn queue(queue: tc::Queue) -> Queue {
    Queue {
        kind: queue.kind,
        handle: tc::handle(queue.handle),
        parent: tc::handle(queue.parent),
        limit: queue.limit.map(|(limit, of)| (limit, of.to_owned())),
        loss_ppm: queue.loss,
        drops: u64::from(queue.drops),
        queued: queue.queued,
    }
}

fn packet_rule(rule: nft::Rule) -> PacketRule {
    PacketRule {
        family: rule.family.to_owned(),
        table: rule.table,
        chain: rule.chain,
        hook: rule.hook.map(str::to_owned),
        handle: rule.handle,
        text: rule.text,
        packets: rule.packets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fact::{Need, Place, questions};
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn the_own_namespace_answers_and_one_that_is_gone_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
        let port = listener.local_addr().expect("address").port();
        let netns = netns::current().expect("namespace");
        let to = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let here = Place {
            netns,
            device: Some("lo".to_owned()),
            received: false,
            from: Some(to),
            to: Some(to),
            port: Some(port),
        };
        let gone = Place {
            netns: NetnsId(1),
            ..here.clone()
        };
        let needs = [
            Need::Sysctl("net.ipv4.ip_forward"),
            Need::Sysctl("net.ipv4.conf.DEVICE.rp_filter"),
            Need::Device,
            Need::Route,
            Need::Neighbour,
            Need::PacketRules,
            Need::Listeners,
            Need::CgroupPrograms,
            Need::Policies,
            Need::Namespace,
        ];
        let elsewhere = Place {
            device: Some("no such".to_owned()),
            ..here.clone()
        };
        let mut asked = questions(&needs, [&here, &gone]);
        asked.extend(questions(&[Need::Device], [&elsewhere]));
        let facts = fetch(&asked, &BTreeSet::new());
        let number = |name, device| facts.number(netns, name, device);
        assert!(number("net.ipv4.ip_forward", None).is_some());
        assert!(number("net.ipv4.conf.DEVICE.rp_filter", Some("lo")).is_some());
        assert_eq!(facts.device(netns, "lo").expect("lo").dev_type, 772);
        let route = facts.route(netns, to).expect("route");
        assert_eq!(
            (route.kind.as_str(), route.device.as_deref()),
            ("local", Some("lo"))
        );
        assert_eq!(facts.neighbour(netns, to).expect("neighbour").device, "lo");
        assert_eq!(facts.listeners(netns, port).expect("listeners").len(), 1);
        assert_eq!(facts.is_gone(netns), Some(false));
        let (_, sees_all) = netns::list_as_seen().expect("namespaces");
        assert_eq!(facts.is_gone(NetnsId(1)), sees_all.then_some(true));
        assert_eq!(
            (
                facts.is_removed(netns, "lo"),
                facts.is_removed(netns, "no such")
            ),
            (false, true)
        );
        let of_gone = questions(&needs, [&gone]);
        // Programs are the host's.
        let unread = of_gone
            .iter()
            .filter(|question| facts.unread([*question]).len() == 1)
            .count();
        // That it is gone is an answer, too.
        let answered = 1 + usize::from(sees_all);
        assert_eq!(unread, of_gone.len() - answered, "{facts:#?}");
    }
}
