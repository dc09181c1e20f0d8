"""What an autoscaler does to a Deployment, recorded, compared and drawn."""
