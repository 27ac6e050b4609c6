"""Models in the course of treatment, by landmarking: one at the end of each of several weeks."""
