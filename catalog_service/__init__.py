"""The catalog service: keeps libraries, clips, speakers and import jobs, and stores audio."""
