//! The order in which values were set: a ring through the nodes, with the root between the newest
//! and the oldest.

use flux_topic::NodeId;

use super::RetainedTree;

impl<V, S> RetainedTree<V, S> {
    /// Returns the node whose value was set longest ago.
    pub(super) fn oldest(&self) -> Option<NodeId> {
        self.newer_than(NodeId::ROOT)
    }

    /// Returns the node whose value was set next after that of `id`.
    pub(super) fn newer_than(&self, id: NodeId) -> Option<NodeId> {
        Some(self.arena[id].newer).filter(|newer| *newer != NodeId::ROOT)
    }

    /// Makes `id` the newest.
    pub(super) fn link_newest(&mut self, id: NodeId) {
        let newest = self.arena[NodeId::ROOT].older;
        self.arena[newest].newer = id;
        self.arena[NodeId::ROOT].older = id;
        self.arena[id].older = newest;
        self.arena[id].newer = NodeId::ROOT;
    }

    /// Takes `id` out of the order.
    pub(super) fn unlink_from_order(&mut self, id: NodeId) {
        let (older, newer) = (self.arena[id].older, self.arena[id].newer);
        self.arena[older].newer = newer;
        self.arena[newer].older = older;
    }
}
