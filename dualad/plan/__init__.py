"""The planner: strategies, their predicted cost, and the choice."""
