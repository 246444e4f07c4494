"""What users rely on: identities, a store folder, declarations and commands, as written at their first release."""
