"""What the app serves besides pages: headers on everything, signing in and out, and whether it is well."""
