"""The leaderboard as one HTML file that needs no network: tables, pictures, and what lies behind each run."""
